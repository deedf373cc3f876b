import { provider } from '@flashmla/kernels-cpu';
import type { EncoderModel } from '@flashmla/model-swap';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRecallModel, recallAccuracy } from '../src/recall-accuracy.ts';

describe('associative recall at 2048 tokens, k = 32', () => {
  let backend: Backend;
  let model: EncoderModel;
  const sizes = { tokens: 2048, sequences: 8, k: 32 };

  beforeAll(async () => {
    backend = await provider.open({ threads: 2 });
    model = await loadRecallModel(backend);
  });
  afterAll(async () => {
    await model.dispose();
    await backend.dispose();
  });

  it('is solved by dense attention, as well by a content gate, and not at all by a window', async () => {
    const dense = await recallAccuracy(model, sizes, undefined);
    const content = await recallAccuracy(model, sizes, 'content');
    const window = await recallAccuracy(model, sizes, 'static');
    expect(dense).toBeGreaterThanOrEqual(0.99);
    expect(content).toBeGreaterThanOrEqual(dense - 0.003);
    expect(window).toBeLessThan(0.2); // guessing is right once in eight times
  });
});
