// What runs inside the page: one backend, on which the tests call cases and checks by name. The packages are the built
// files, as an import map finds them, without a bundler.

import { conformanceCases, contractChecks, runCase } from '@flashmla/conformance';
import { type CpuBackend, type CpuOpenOptions, provider } from '@flashmla/kernels-cpu';
import { execute, type Problem, tensor } from '@flashmla/tensor';

const cases = new Map(conformanceCases().map((testCase) => [testCase.name, testCase]));
const checks = new Map(contractChecks().map((check) => [check.name, check]));

let options: CpuOpenOptions;
let backend: CpuBackend;

const suite = {
  /** Opens the backend that everything else runs on; tells what it runs on and which WASM files were fetched for it. */
  async open(chosen: CpuOpenOptions) {
    options = chosen;
    backend = await provider.open(options);
    const fetched = performance.getEntriesByType('resource').map(({ name }) => name.slice(name.lastIndexOf('/') + 1));
    return {
      isolated: crossOriginIsolated,
      device: backend.device,
      wasm: fetched.filter((file) => /\.wasm$/.test(file)),
    };
  },

  runCase: (name: string): Promise<void> => runCase(backend, cases.get(name)!),

  runCheck: (name: string): Promise<void> => checks.get(name)!.run(backend, () => provider.open(options)),

  /** Frames that the page drew while one dense attention ran. */
  async framesDuringAttention({ heads, tokens, headDim }: { heads: number; tokens: number; headDim: number }) {
    const problem: Problem = {
      op: 'dense-attention',
      batch: 1,
      heads,
      queries: tokens,
      keys: tokens,
      headDim,
      layout: 'tokens-first',
      scale: 1 / Math.sqrt(headDim),
      mask: false,
      causal: false,
    };
    using x = backend.upload(tensor(new Float32Array(tokens * heads * headDim).fill(0.5), [tokens, heads * headDim]));
    const { output, lse } = await execute(backend, problem, { query: x, key: x, value: x });
    let frames = 0;
    let running = true;
    const finished = backend.synchronize().finally(() => {
      running = false;
    });
    while (running) {
      await new Promise(requestAnimationFrame);
      frames++;
    }
    await finished;
    output!.dispose();
    lse!.dispose();
    return frames;
  },
};

declare global {
  var kernelsCpu: typeof suite;
}
globalThis.kernelsCpu = suite;
