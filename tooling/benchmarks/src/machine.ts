// The machine of a benchmark: without it, a figure of time or memory means nothing.

import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Backend } from '@flashmla/tensor';

export interface Machine {
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
  /** Threads that compute. */
  readonly threads: number;
  readonly device: string;
  /** Processes that wanted a core, mean over the last minute: much more than `threads` and the figures are no good. */
  readonly load: number;
}

export function describeMachine({ device }: Pick<Backend, 'device'>): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    os: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    threads: device.threads ?? 1,
    device: device.description,
    load: loadavg()[0],
  };
}

export function machineLine({ cpu, cores, memoryBytes, os, node, device, load }: Machine): string {
  const memory = `${(memoryBytes / 2 ** 30).toFixed(0)} GiB`;
  return `${cpu}, ${cores} cores, ${memory}, ${os}, Node ${node}; ${device}; load ${load.toFixed(1)}`;
}
