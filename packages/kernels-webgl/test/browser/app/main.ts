// An app as a user writes it: no configuration, the packages found by their names, everything else by the bundler.

import { provider } from '@flashmla/kernels-webgl';
import { execute, tensor } from '@flashmla/tensor';

async function run() {
  const backend = await provider.open();
  const input = backend.upload(tensor(Float32Array.of(1, 2, 3), [1, 3]));
  const weight = backend.upload(tensor(Float32Array.of(1, 1, 1, 1, 0, -1), [2, 3]));
  const problem = { op: 'linear', rows: 1, inFeatures: 3, outFeatures: 2, bias: false, activation: 'none' } as const;
  const { output } = await execute(backend, problem, { input, weight });
  return { output: [...(await output!.data())], device: backend.device.description };
}

declare global {
  var result: Promise<{ output: unknown[]; device: string } | { error: string }>;
}
globalThis.result = run().catch((error: unknown) => ({ error: String(error) }));
