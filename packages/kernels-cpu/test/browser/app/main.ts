// An app as a user writes it: no configuration, the package found by its name, everything else by the bundler.

import { provider } from '@flashmla/kernels-cpu';
import { execute, tensor } from '@flashmla/tensor';

async function run() {
  const backend = await provider.open();
  const input = backend.upload(tensor(Float32Array.of(1, 2, 3), [1, 3]));
  const weight = backend.upload(tensor(Float32Array.of(1, 1, 1, 1, 0, -1), [2, 3]));
  const problem = { op: 'linear', rows: 1, inFeatures: 3, outFeatures: 2, bias: false, activation: 'none' } as const;
  const { output } = await execute(backend, problem, { input, weight });
  return { output: [...(await output!.data())], device: backend.device };
}

declare global {
  var result: ReturnType<typeof run>;
}
globalThis.result = run();
