import { ContentGate } from '@flashmla/gating';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, planModel, problemsOf, restoreAttention, swapAttention } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, tinyBert, tinyDistilbert, tinyRoberta } from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

describe('planModel', () => {
  it.each([
    ['BERT', tinyBert()],
    ['RoBERTa', tinyRoberta()],
    ['DistilBERT', tinyDistilbert()],
  ])('predicts the peak of memory of %s from config.json alone', async (_, tiny) => {
    const files = filesOf(tiny);
    const used = backend.memory().usedBytes;
    const plan = await planModel({ 'config.json': files['config.json']! }, { tokens: 46, k: 8, backend });
    expect(backend.memory().usedBytes).toBe(used);
    expect(plan.tokens).toBe(46);

    const model = await loadModel(files, { backend });
    const text = 'x'.repeat(40).split('').join(' . ');
    expect(model.encode(text, { maxTokens: 46 })[0]!.ids).toHaveLength(46);
    const peakOf = async () => {
      await model.forward(model.encode(text, { maxTokens: 46 }), {}, async () => {});
      backend.resetPeak();
      await model.forward(model.encode(text, { maxTokens: 46 }), {}, async () => {});
      return backend.memory().peakBytes - used;
    };
    const within = (predicted: number, measured: number) =>
      expect(Math.abs(predicted / measured - 1)).toBeLessThan(0.15);
    within(plan.denseBytes, await peakOf());
    const peaks: number[] = [];
    for (const shape of ['lists', 'blocks'] as const) {
      swapAttention(model, { k: 8, crossover: 0, gate: () => new ContentGate({ shape, rank: 8 }) });
      peaks.push(await peakOf());
      restoreAttention(model);
    }
    within(plan.bytes, Math.max(...peaks));
    expect(await model.plan(46, { k: 8 })).toEqual(plan);
    await model.dispose();
  });

  it('counts the work of the model', async () => {
    const plan = await planModel(filesOf(tinyBert()), { tokens: 40, backend });
    const twice = await planModel(filesOf(tinyBert()), { tokens: 40, batch: 2, backend });
    expect(twice.denseFlops / plan.denseFlops).toBeCloseTo(2, 1);
    expect(twice.denseBytes).toBeGreaterThan(plan.denseBytes);
    const [tokens, dim, wide, layers] = [40, 24, 40, 2];
    const multiplyAdds = layers * (4 * tokens * dim * dim + 2 * tokens * tokens * dim + 2 * tokens * dim * wide);
    expect(plan.denseFlops).toBeGreaterThan(2 * multiplyAdds);
    expect(plan.denseFlops).toBeLessThan(2.3 * multiplyAdds);
  });

  it('saves work and memory where texts are long', async () => {
    const config = {
      ...tinyBert().config,
      hidden_size: 768,
      num_attention_heads: 12,
      num_hidden_layers: 12,
      intermediate_size: 3072,
      max_position_embeddings: 16384,
    };
    const files = { 'config.json': new TextEncoder().encode(JSON.stringify(config)) };
    const plan = await planModel(files, { tokens: 16384, backend });
    expect(plan.flops).toBeLessThan(0.5 * plan.denseFlops);
    expect(plan.weightBytes).toBeGreaterThan(4 * 85e6);
    expect(plan.bytes).toBeGreaterThan(plan.weightBytes);
    const longer = await planModel(files, { tokens: 1e6, backend });
    expect(longer.tokens).toBe(16384);
  });

  it('refuses sizes that make no sense', async () => {
    await expect(planModel(filesOf(tinyBert()), { tokens: 0, backend })).rejects.toThrow(
      '[model-swap] tokens is 0; expected a whole number ≥ 1.',
    );
    await expect(planModel(filesOf(tinyBert()), { tokens: 8, batch: 0.5, backend })).rejects.toThrow('batch is 0.5');
  });
});

describe('problemsOf', () => {
  it('names what runs at a length, dense and sparse, each once, and allocates nothing', async () => {
    const used = backend.memory().usedBytes;
    const source = { 'config.json': filesOf(tinyBert())['config.json']! };
    const problems = await problemsOf(source, { tokens: 46, k: 8, backend });
    expect(backend.memory().usedBytes).toBe(used);
    const ops = new Set(problems.map(({ op }) => op));
    for (const op of ['linear', 'layer-norm', 'embedding', 'dense-attention', 'sparse-attention', 'select-top-k']) {
      expect(ops).toContain(op);
    }
    const sparse = problems.filter((problem) => problem.op === 'sparse-attention');
    expect(new Set(sparse.map(({ tileQueries }) => tileQueries)).size).toBe(2);
    expect(new Set(problems.map((problem) => JSON.stringify(problem))).size).toBe(problems.length);
  });
});
