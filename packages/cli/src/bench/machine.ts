// The machine of a benchmark: without it, a time means nothing.

import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Backend } from '@flashmla/tensor';
import { version } from '../../package.json';

export interface Machine {
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
  /** Threads of every implementation. */
  readonly threads: number;
  readonly backend: string;
  readonly device: string;
  /** Of flashmla and of the peers that were measured. */
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(
  { name, device }: Backend,
  threads: number,
  peers: Readonly<Record<string, string>>,
): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    os: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    threads,
    backend: name,
    device: device.description,
    versions: { flashmla: version, ...peers },
  };
}
