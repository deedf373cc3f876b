// The shipped model in both precisions, where the device has both; where it lacks float16, what loading it says.

import { fileURLToPath } from 'node:url';
import { suiteOnDevice } from '@flashmla/conformance/vitest';
import { provider } from '@flashmla/kernels-webgpu';
import { modelUrl } from '@flashmla/model-sentiment';
import type { HostTensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { loadModel, swapAttention } from '../../dist/index.js';

const describeOnDevice = await suiteOnDevice(provider);

const folder = fileURLToPath(modelUrl);
const texts = [
  'A wonderful film, moving from the first scene to the last, with a cast that never puts a foot wrong.',
  'Dull, badly acted and far too long: I would rather watch paint dry than sit through any of this again.',
];

describeOnDevice('the shipped model', () => {
  it('in float16 gives the labels and nearly the logits of float32, in half the memory, dense and sparse', async () => {
    await using backend = await provider.open();
    if (!backend.device.features.includes('float16')) {
      await expect(loadModel(folder, { backend, dtype: 'float16' })).rejects.toThrow(
        /dtype is 'float16', which webgpu .+ leave dtype out for float32/i,
      );
      return;
    }
    const run = async (dtype: 'float32' | 'float16') => {
      await using model = await loadModel(folder, { backend, dtype });
      const { usedBytes } = backend.memory();
      const dense = await model.run(texts, { hidden: false });
      swapAttention(model, { k: 8, crossover: 0 });
      return { usedBytes, dense, sparse: await model.run(texts, { hidden: false }) };
    };
    const [single, half] = [await run('float32'), await run('float16')];
    expect(half.usedBytes / single.usedBytes).toBeCloseTo(0.5, 2);
    for (const kind of ['dense', 'sparse'] as const) {
      expect(half[kind].labels).toEqual(['positive', 'negative']);
      expect(single[kind].labels).toEqual(['positive', 'negative']);
      const differences = valuesOf(half[kind].logits!).map((logit, i) =>
        Math.abs(logit - valuesOf(single[kind].logits!)[i]!),
      );
      // Measured on llvmpipe: 0.0007 of logits around 3.
      expect(Math.max(...differences)).toBeLessThan(0.01);
    }
  });
});

const valuesOf = ({ array }: HostTensor) => [...(array as Float32Array)];
