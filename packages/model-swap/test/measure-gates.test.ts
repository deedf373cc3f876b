import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadModel, measureGates, swapAttention } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, folderOf, tinyBert } from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const TEXT = 'the film was very very bad and not good, and a bad film was not very good at all. '.repeat(3);

it('measures the gate of every swapped layer beside the best and the plainest selection', async () => {
  const model = await loadModel(await folderOf(filesOf(tinyBert())), { backend });
  swapAttention(model, { k: 8, gate: 'oracle', layers: [1] });
  const used = backend.memory().usedBytes;
  const oracle = await measureGates(model, [TEXT, TEXT.slice(30)]);
  expect(oracle.map(({ layer, head }) => [layer, head])).toEqual([
    [1, 0],
    [1, 1],
  ]);
  for (const { recall, oracleRecall, staticRecall, error } of oracle) {
    expect(recall).toBeCloseTo(oracleRecall, 6);
    expect(staticRecall).toBeGreaterThan(0);
    expect(staticRecall).toBeLessThan(oracleRecall);
    expect(error).toBeGreaterThan(0);
  }
  swapAttention(model, { k: 8, gate: 'static' });
  for (const { recall, staticRecall } of await measureGates(model, TEXT)) expect(recall).toBe(staticRecall);
  expect(backend.memory().usedBytes).toBeLessThanOrEqual(used);
  // Nothing is selected of a text that has no more tokens than that.
  swapAttention(model, { k: 500, gate: 'static' });
  expect(await measureGates(model, TEXT)).toEqual([]);
  await model.dispose();
});

it('measures a content gate that no run has fitted yet, because its texts run dense', async () => {
  const model = await loadModel(await folderOf(filesOf(tinyBert())), { backend });
  swapAttention(model, { k: 8, layers: [0], crossover: 10_000 });
  const measured = await measureGates(model, TEXT);
  expect(measured).toHaveLength(2);
  for (const { recall, staticRecall } of measured) {
    expect(recall).toBeGreaterThan(0);
    expect(staticRecall).toBeGreaterThan(0);
  }
  await model.dispose();
});
