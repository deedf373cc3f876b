// What the tests call in the page, beside the conformance suite.

import { serveConformance } from '@flashmla/browser-testing/page';
import { provider } from '@flashmla/kernels-cpu';
import { execute, type Problem, tensor } from '@flashmla/tensor';

const opened = serveConformance(provider);

const suite = {
  /** The WASM files that were fetched. */
  fetchedWasm: () =>
    performance
      .getEntriesByType('resource')
      .map(({ name }) => name.slice(name.lastIndexOf('/') + 1))
      .filter((file) => file.endsWith('.wasm')),

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
    const backend = opened();
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
