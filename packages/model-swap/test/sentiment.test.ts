// The shipped model: real weights in float16, real lengths.

import { existsSync, readFileSync } from 'node:fs';
import { modelUrl } from '@flashmla/model-sentiment';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type EncoderModel,
  loadModel,
  planModel,
  restoreAttention,
  sampleTexts,
  swapAttention,
  verifySwap,
} from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';

let backend: Backend;
let model: EncoderModel;
beforeAll(async () => {
  backend = await openTestBackend();
  model = await loadModel(modelUrl, { backend });
});
afterAll(async () => {
  await model.dispose();
  await backend.dispose();
});

const REVIEWS = [
  ['A warm and funny film with a wonderful cast; I loved every minute.', 'positive'],
  ['The best picture of the year: beautiful, clever and moving.', 'positive'],
  ['A dull, lifeless mess. The plot makes no sense and the acting is terrible.', 'negative'],
  ['Boring from start to end, the worst waste of an evening.', 'negative'],
] as const;

// A model of this size takes seconds where other work keeps the cores busy.
describe('the shipped sentiment model', { timeout: 60_000 }, () => {
  it('tells good reviews from bad ones, dense and sparse', async () => {
    const texts = REVIEWS.map(([text]) => text);
    const expected = REVIEWS.map(([, label]) => label);
    expect((await model.run(texts)).labels).toEqual(expected);
    swapAttention(model, { k: 8, crossover: 0 });
    expect((await model.run(texts)).labels).toEqual(expected);
    restoreAttention(model);
  });

  it('drifts little when its attention is swapped, on texts of hundreds of tokens', async () => {
    swapAttention(model, { k: 32, crossover: 0 });
    const report = await verifySwap(model, sampleTexts.slice(0, 3));
    expect(report.logits!.maxAbsolute).toBeLessThan(0.3);
    expect(report.logits!.agreement).toBe(1);
    expect(report.hidden.least).toBeGreaterThan(0.98);
    expect(report.layers.map(({ sparse }) => sparse)).toEqual([1, 1, 1, 1]);
    for (const { error } of report.layers) expect(error).toBeLessThan(0.2);
    // At most 32 keys, mean over the layers, and 28 stand-ins (groups of 16) of 440.
    const densities = report.layers.map(({ density }) => density);
    expect(densities.reduce((sum, density) => sum + density) / densities.length).toBeLessThan(0.14);
    // The first layer's heads have three times the mean.
    expect(densities[0]).toBeGreaterThan(3 * densities[3]!);
    restoreAttention(model);
  });

  it('needs the memory that was predicted, within 15 %', async () => {
    const tokens = 2048;
    const plan = await planModel(modelUrl, { tokens, backend });
    const texts = model.encode(sampleTexts.join(' ').repeat(2), { maxTokens: tokens });
    expect(texts[0]!.ids).toHaveLength(tokens);
    const peakOfRun = async () => {
      backend.resetPeak();
      await model.forward(texts, {}, async () => {});
      return backend.memory().peakBytes;
    };
    expect(Math.abs(plan.denseBytes / (await peakOfRun()) - 1)).toBeLessThan(0.15);
    swapAttention(model, { crossover: 0 });
    // The first run also measures which shape of lists is faster, with tensors of its own.
    await peakOfRun();
    expect(Math.abs(plan.bytes / (await peakOfRun()) - 1)).toBeLessThan(0.15);
    restoreAttention(model);
  });
});

const trained = new URL('../../../../shared/models/sentiment-4l-256/', import.meta.url);
describe.skipIf(!existsSync(trained))('the float32 model it was made from (../shared is there)', () => {
  it('gives the logits of the float64 original within 1e-4', { timeout: 120_000 }, async () => {
    const original = await loadModel(trained, { backend });
    const rows = readFileSync(new URL('golden.jsonl', trained), 'utf8')
      .trim()
      .split('\n')
      .map((row) => JSON.parse(row));
    const { logits, tokens } = await original.run(
      rows.map(({ text }) => text),
      { hidden: false },
    );
    expect(tokens).toEqual(rows.map((row) => row.tokens));
    const worst = rows.map(({ logits: expected }, text) =>
      Math.max(
        ...expected.map((value: number, label: number) => Math.abs(value - Number(logits!.array[text * 2 + label]))),
      ),
    );
    expect(Math.max(...worst)).toBeLessThan(1e-4);
    await original.dispose();
  });
});
