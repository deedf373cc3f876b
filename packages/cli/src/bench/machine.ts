// The machine of a benchmark: without it, a time means nothing.

import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Backend } from '@flashmla/tensor';
import type { Machine } from '@flashmla/workloads';
import { version } from '../../package.json';

/** The extensions that kernels for encoders make use of, as Linux names them. */
const telling = /^(sse4_1|avx2?|fma|f16c|avx512.*|avx_vnni.*|amx.*|asimd.*|fphp|bf16|i8mm|sve\w*|sme[\d_]*)$/;

export async function describeMachine(
  { name, device }: Backend,
  threads: number,
  peers: Readonly<Record<string, string>>,
): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    features: await cpuFeatures(),
    memoryBytes: totalmem(),
    os: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    threads,
    backend: name,
    device: device.description,
    versions: { flashmla: version, v8: process.versions.v8, ...peers },
  };
}

async function cpuFeatures(): Promise<string[] | null> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const [, flags] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(info) ?? [];
  return flags?.split(/\s+/).filter((flag) => telling.test(flag)) ?? null;
}
