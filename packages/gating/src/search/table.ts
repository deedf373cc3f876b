// What an architecture search chooses from: for each layer some ways to attend, in some of which each head takes what it
// likes, all with a cost and an error that add up. Where the figures come from is the caller's.

import { FlashMLAError } from '@flashmla/tensor';

export interface Figures {
  /** In whatever the budget is in, e.g. milliseconds; relative to anything, so it may be below 0. */
  readonly cost: number;
  readonly error: number;
}

/** A way for a layer to attend. Its own figures are what it has whatever its heads take. */
export interface LayerVariant extends Figures {
  /** For each head what it may take, at least one; empty where all heads do the same. */
  readonly heads: readonly (readonly Figures[])[];
}

/** For each layer its variants, at least one. */
export type SearchTable = readonly (readonly LayerVariant[])[];

/** What a layer does: the number of its variant, and of what each of that variant's heads takes. */
export interface LayerChoice {
  readonly variant: number;
  readonly heads: readonly number[];
}

/** A choice for each layer, and what it comes to. */
export interface Found extends Figures {
  readonly layers: readonly LayerChoice[];
}

export interface SearchOptions {
  /** Most that the costs may come to. */
  readonly budget: number;
  /** The same seed and table give the same result. Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What these choices come to. */
export function foundOf(table: SearchTable, layers: readonly LayerChoice[]): Found {
  let [cost, error] = [0, 0];
  const add = (figures: Figures) => {
    cost += figures.cost;
    error += figures.error;
  };
  for (const [layer, { variant, heads }] of layers.entries()) {
    const chosen = table[layer][variant];
    add(chosen);
    for (const [head, option] of heads.entries()) add(chosen.heads[head][option]);
  }
  return { cost, error, layers };
}

/** The least cost that any choices come to: of those, the ones of least error layer by layer. */
export const cheapest = (table: SearchTable): Found => leastBy(table, (a, b) => a.cost - b.cost || a.error - b.error);

/** What comes out least, layer by layer and head by head. */
export function leastBy(table: SearchTable, compare: (a: Figures, b: Figures) => number): Found {
  const layers = table.map((variants) => {
    const best = variants.map(({ heads }) => heads.map((options) => least(options, compare)));
    const totals = variants.map((_, variant) => foundOf([variants], [{ variant, heads: best[variant] }]));
    const variant = least(totals, compare);
    return { variant, heads: best[variant] };
  });
  return foundOf(table, layers);
}

/** Raises unless something in the table is within the budget. */
export function checkBudgetReached(table: SearchTable, budget: number): void {
  const { cost } = cheapest(table);
  if (cost <= budget) return;
  throw new FlashMLAError(
    'invalid-argument',
    `[gating] search: the budget is ${budget}; the cheapest choices come to ${cost}. Give a budget of at least that.`,
  );
}

function least(all: readonly Figures[], compare: (a: Figures, b: Figures) => number): number {
  let best = 0;
  for (const [i, one] of all.entries()) if (compare(one, all[best]) < 0) best = i;
  return best;
}
