// Both searches against all there is to choose, where that is little enough to look at.

import { randomSource } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import {
  cheapest,
  type Found,
  type LayerVariant,
  type SearchTable,
  searchByEvolution,
  searchByRelaxation,
} from '../../src/index.ts';
import { foundOf } from '../../src/search/table.ts';

const searches = [
  ['relaxation', searchByRelaxation],
  ['evolution', searchByEvolution],
] as const;

/** Two layers, dense or one of two kinds with two heads of three sizes: 19² choices. */
function smallTable(seed: number): SearchTable {
  const random = randomSource(seed);
  const sparse = (): LayerVariant => ({
    cost: -3 - random(),
    error: 0.01 * random(),
    heads: [0, 1].map(() => {
      const [price, loss] = [0.3 + random(), random()];
      return [1, 2, 4].map((size) => ({ cost: (price * size) / 4, error: loss / size }));
    }),
  });
  return [0, 1].map(() => [{ cost: 0, error: 0, heads: [] }, sparse(), sparse()]);
}

function allOf(table: SearchTable): Found[] {
  const ofLayer = (variants: readonly LayerVariant[]) =>
    variants.flatMap(({ heads }, variant) =>
      heads
        .reduce<number[][]>((all, options) => all.flatMap((one) => options.map((_, i) => [...one, i])), [[]])
        .map((chosen) => ({ variant, heads: chosen })),
    );
  const [first, second] = table.map(ofLayer);
  return first!.flatMap((a) => second!.map((b) => foundOf(table, [a, b])));
}

const within = (all: readonly Found[], budget: number) => all.filter(({ cost }) => cost <= budget);
const leastError = (all: readonly Found[]) => all.reduce((best, one) => (one.error < best.error ? one : best));

/** Choices that are best for some λ. */
function onHull(all: readonly Found[]): Found[] {
  const lambdas = Array.from({ length: 4000 }, (_, i) => 10 ** (-4 + i / 500));
  return lambdas.map((lambda) => {
    const loss = ({ cost, error }: Found) => error + lambda * cost;
    return all.reduce((best, one) => (loss(one) < loss(best) ? one : best));
  });
}

const problems = [1, 2, 3, 4, 5, 6].flatMap((seed) => [0.15, 0.4, 0.7].map((share) => [seed, share] as const));

/** Arithmetic: a second where the cores are free, more where they are not. */
const slow = { timeout: 60_000 };

describe('searches under a budget', slow, () => {
  it.each(problems)('evolution finds the best of all choices (table %i, budget at %f)', async (seed, share) => {
    const table = smallTable(seed);
    const all = allOf(table);
    expect(all).toHaveLength(19 ** 2);
    const budget = (1 - share) * cheapest(table).cost;
    const found = await searchByEvolution(table, { budget });
    expect(found.cost).toBeLessThanOrEqual(budget);
    expect(found.error).toBeCloseTo(leastError(within(all, budget)).error, 10);
  });

  it.each(problems)(
    'the relaxation finds the best that any λ leads to (table %i, budget at %f)',
    async (seed, share) => {
      const table = smallTable(seed);
      const budget = (1 - share) * cheapest(table).cost;
      const found = await searchByRelaxation(table, { budget });
      expect(found.cost).toBeLessThanOrEqual(budget);
      const best = leastError([cheapest(table), ...within(onHull(allOf(table)), budget)]);
      expect(found.error).toBeLessThanOrEqual(best.error * 1.02 + 1e-9);
    },
  );

  it.each(searches)('%s gives the same for the same seed, and says what it comes to', async (_, search) => {
    const table = smallTable(3);
    const budget = 0.6 * cheapest(table).cost;
    const found = await search(table, { budget, seed: 5 });
    expect(await search(table, { budget, seed: 5 })).toEqual(found);
    expect(foundOf(table, found.layers)).toEqual(found);
  });

  it.each(searches)('%s leaves all as accurate as can be where that is within the budget', async (_, search) => {
    const { error, layers } = await search(smallTable(2), { budget: 0 });
    expect(error).toBe(0);
    expect(layers.map(({ variant }) => variant)).toEqual([0, 0]);
  });

  it.each(searches)(
    '%s refuses a budget that nothing keeps, and says what the cheapest comes to',
    async (_, search) => {
      const table = smallTable(1);
      const { cost } = cheapest(table);
      await expect(search(table, { budget: cost - 1 })).rejects.toThrow(`the cheapest choices come to ${cost}`);
      expect((await search(table, { budget: cost })).cost).toBe(cost);
    },
  );
});
