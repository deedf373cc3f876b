// How often a forward pass goes to the device: what is recorded is submitted together.

import { suiteOnDevice } from '@flashmla/conformance/vitest';
import { provider } from '@flashmla/kernels-webgpu';
import { expect, it } from 'vitest';
import { loadModel, swapAttention } from '../../src/index.ts';
import { filesOf, tinyBert } from '../support/tiny-models.ts';

const describeOnDevice = await suiteOnDevice(provider);

describeOnDevice('a model as deep as BERT-base', () => {
  // The ops of a pass depend on the layers and the length, not on the width.
  const text = 'the film was very bad and not good '.repeat(80);

  it.each(['dense', 'lists', 'blocks'] as const)('takes at most three submits for 512 tokens, %s', async (kind) => {
    await using backend = await provider.open();
    await using model = await loadModel(filesOf(tinyBert(1, { layers: 12, positions: 512 })), { backend });
    if (kind !== 'dense') swapAttention(model, { k: 64, crossover: 0, shape: kind });
    const { tokens } = await model.run(text, { hidden: false });
    expect(tokens).toEqual([512]);
    const before = backend.submits;
    await model.run(text, { hidden: false });
    expect(backend.submits - before).toBeLessThanOrEqual(3);
  });
});
