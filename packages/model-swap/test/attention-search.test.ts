import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AttentionSearch,
  applyAttention,
  attentionOf,
  denseAttention,
  loadModel,
  logitError,
  measureLatencies,
  searchMethods,
} from '../src/index.ts';
import { groupOf, lengthGroups } from '../src/search/length-groups.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, SIZES, tinyBert } from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const words = 'the film was very bad and not good a bad film was not very good at all'.split(' ');
/** Texts of 5 to 44 words, none like another. */
const texts = Array.from({ length: 40 }, (_, text) =>
  Array.from({ length: 5 + text }, (_, i) => words[(text * 7 + i * (1 + (text % 3))) % words.length]).join(' '),
);
const calibration = [4, 14, 24, 34, 38].map((i) => texts[i]!);
const load = () => loadModel(filesOf(tinyBert(1, { ...SIZES, layers: 3 })), { backend });

/** Measures: seconds where the cores are free, more where they are not. */
const slow = { timeout: 120_000 };

describe('AttentionSearch', slow, () => {
  it('finds attention within a budget of what was measured, and predicts the sum of its parts', async () => {
    const model = await load();
    const search = await AttentionSearch.measure(model, texts, calibration, { gates: ['content', 'block'] });
    expect(attentionOf(model).layers).toEqual(['dense', 'dense', 'dense']);
    expect(search.choices.layers).toEqual([0, 1]);
    expect(search.leastMs).toBeLessThanOrEqual(search.dense.ms);
    for (const method of searchMethods) {
      for (const share of [0, 0.5, 1]) {
        const budget = search.leastMs * 1.0001 + share * (search.dense.ms - search.leastMs);
        const { attention, predictedMs, predictedError } = await search.find(method, budget);
        expect(predictedMs).toBeLessThanOrEqual(budget);
        expect(predictedError).toBeGreaterThanOrEqual(0);
        // The last layer of a classifier computes one token.
        expect(attention.layers[2]).toBe('dense');
        applyAttention(model, attention);
        expect(attentionOf(model).layers).toEqual(attention.layers);
        await model.run(texts.slice(0, 4), { hidden: false });
      }
      const whole = await search.find(method, search.dense.ms + 1);
      expect(whole.predictedError).toBe(0);
      await expect(search.find(method, search.leastMs - 1)).rejects.toThrow('the cheapest choices come to');
    }
    await model.dispose();
  });

  it('measures errors that fall with the number of keys, and by how much answers move for them', async () => {
    const model = await load();
    const search = await AttentionSearch.measure(model, texts, calibration, { gates: ['content'] });
    const [lists] = search.errors.get(0)!;
    expect(lists!.kind).toEqual({ gate: 'content', shape: 'lists' });
    const last = search.groups.length - 1;
    const errors = lists!.keys.filter(({ k }) => k <= 32).map(({ squared }) => squared[last]!.reduce((a, b) => a + b));
    expect(errors[0]).toBeGreaterThan(errors[2]!);
    expect(lists!.keys.find(({ k }) => k === 64)!.squared[last]).toEqual([0, 0]);
    // The references, each against the line through them.
    expect(lists!.sensitivity).toBeGreaterThan(0);
    const { attention } = { attention: search.uniform(8)! };
    const [text] = [texts[39]!];
    applyAttention(model, denseAttention(model));
    const dense = (await model.run(text, { hidden: false })).logits!.array as Float32Array;
    applyAttention(model, attention);
    const sparse = (await model.run(text, { hidden: false })).logits!.array as Float32Array;
    expect(logitError(dense, sparse)).toBeGreaterThan(0);
    await model.dispose();
  });

  it('times whole models at each group of lengths', async () => {
    const model = await load();
    const groups = lengthGroups(model.encode(texts));
    const [latency] = await measureLatencies([{ model, attention: denseAttention(model) }], groups);
    expect(latency!.groupMs).toHaveLength(groups.length);
    expect(latency!.ms).toBeCloseTo(
      latency!.groupMs.reduce((sum, ms, i) => sum + ms * groups[i]!.share, 0),
      9,
    );
    await model.dispose();
  });

  it('refuses a classifier of one layer, where there is nothing to choose', async () => {
    const model = await loadModel(filesOf(tinyBert(1, { ...SIZES, layers: 1 })), { backend });
    await expect(AttentionSearch.measure(model, texts, calibration)).rejects.toThrow('there is nothing to choose');
    await model.dispose();
  });
});

it('texts are grouped by length, those of one length together', () => {
  const text = (tokens: number) => ({ ids: new Array<number>(tokens).fill(0), truncated: false }) as never;
  const groups = lengthGroups([5, 9, 1, 2, 3, 4, 8, 100].map(text));
  expect(groups.map(({ least, most, share }) => [least, most, share])).toEqual([
    [1, 2, 0.25],
    [3, 4, 0.25],
    [5, 8, 0.25],
    [9, 100, 0.25],
  ]);
  expect([0, 2, 3, 8, 9, 1000].map((tokens) => groupOf(groups, tokens))).toEqual([0, 0, 1, 2, 3, 3]);
  expect(lengthGroups([7, 7, 7].map(text)).map(({ share }) => share)).toEqual([1]);
});

it('the error of logits is what they move apart, not together; of a score all of it', () => {
  expect(logitError(Float32Array.of(1, 2), Float32Array.of(4, 5))).toBe(0);
  expect(logitError(Float32Array.of(1, 2), Float32Array.of(2, 1))).toBe(1);
  expect(logitError(Float32Array.of(2), Float32Array.of(5))).toBe(9);
});
