// What a head's output and recall would be with more or fewer keys: what a budget is spread by, and judged by.

import { type Backend, FlashMLAError } from '@flashmla/tensor';
import { ContentGate } from '../content-gate.ts';
import type { Gate } from '../gate.ts';
import { keysOfHeads } from '../head-budget.ts';
import { type LayerDimensions, type LayerSample, measureGate } from '../measure-gate.ts';
import type { Quality } from '../recall.ts';
import { range } from './head-learner.ts';
import { budgetShares, spreadBudget } from './spread-budget.ts';

/** One head at each of `budgetShares`. */
export interface HeadCurve {
  readonly training: readonly Quality[];
  readonly heldOut: readonly Quality[];
}

export interface BudgetReport {
  /** Keys that a query selects, mean over the heads of all layers. */
  readonly meanK: number;
  /** On the held-out texts, means over the heads: with meanK keys in every head, … */
  readonly uniform: Quality;
  /** … and with each head's own number of them. */
  readonly spread: Quality;
  /** Whether the gates keep it: whether its error is the smaller one. */
  readonly kept: boolean;
  readonly heads: readonly { readonly layer: number; readonly head: number; readonly k: number }[];
}

/**
 * The curves of a layer's heads, in lists; in blocks where the gate selects nothing else. On the texts that are longer than
 * any head's share: in shorter ones there is less to choose.
 *
 * @throws FlashMLAError 'invalid-argument' where none is that long
 */
export async function measureCurves(
  gate: ContentGate,
  samples: { readonly training: readonly LayerSample[]; readonly heldOut: readonly LayerSample[] },
  dimensions: LayerDimensions,
  meanK: number,
  backend: Backend,
): Promise<HeadCurve[]> {
  const curves = range(dimensions.heads).map(() => ({ training: [] as Quality[], heldOut: [] as Quality[] }));
  const most = meanK * budgetShares[budgetShares.length - 1];
  const long = {
    training: samples.training.filter(({ tokens }) => tokens > most),
    heldOut: samples.heldOut.filter(({ tokens }) => tokens > most),
  };
  if (long.training.length === 0 || long.heldOut.length === 0) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] a budget of ${meanK} keys in the mean gives heads up to ${most}; ${long.training.length} texts to learn from and ` +
        `${long.heldOut.length} held out have more tokens. Give longer texts, more tokensPerText, or a smaller budget.`,
    );
  }
  using fixed = new ContentGate({ shape: gate.shape === 'blocks' ? 'blocks' : 'lists' });
  fixed.load(gate.state());
  for (const k of keysOfHeads(meanK, budgetShares)) {
    for (const part of ['training', 'heldOut'] as const) {
      const qualities = await measureGate(fixed, long[part], { ...dimensions, backend, k: () => k });
      for (const [head, quality] of qualities.entries()) curves[head][part].push(quality);
    }
  }
  return curves;
}

/** Spreads a budget over the heads of all layers, and says what came of it. */
export function budgetOf(
  meanK: number,
  heads: readonly { readonly layer: number; readonly head: number; readonly curve: HeadCurve }[],
): { report: BudgetReport; shares: readonly number[] } {
  const shares = spreadBudget(heads.map(({ curve }) => curve.training.map(({ error }) => error)));
  const mean = (which: keyof Quality, shareOf: (i: number) => number) =>
    heads.reduce((sum, { curve }, i) => sum + curve.heldOut[indexOf(shareOf(i))][which], 0) / heads.length;
  const quality = (shareOf: (i: number) => number): Quality => ({
    recall: mean('recall', shareOf),
    error: mean('error', shareOf),
  });
  const uniform = quality(() => 1);
  const spread = quality((i) => shares[i]);
  const keys = keysOfHeads(meanK, shares);
  const report = { meanK, uniform, spread, kept: spread.error < uniform.error };
  return { report: { ...report, heads: heads.map(({ layer, head }, i) => ({ layer, head, k: keys[i] })) }, shares };
}

const indexOf = (share: number) => (budgetShares as readonly number[]).indexOf(share);

/** Raises unless a budget can be spread over these gates. */
export function checkBudget(meanK: number, gates: readonly Gate[]): void {
  if (!Number.isSafeInteger(meanK) || meanK < 1) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] budget.meanK is ${meanK}; expected a whole number ≥ 1 (keys a query selects, mean over the heads).`,
    );
  }
  const other = gates.find((gate) => !(gate instanceof ContentGate));
  if (other) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] a budget was to be spread over the heads of a ${other.name} gate; only content gates can select different numbers ` +
        'of keys. Leave the budget out, or swap content gates in.',
    );
  }
}
