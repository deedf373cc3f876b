// Heads that select different numbers of keys, at the same cost altogether.

import type { DeviceTensor } from '@flashmla/tensor';

/** What each head of a layer fills of its lists. */
export interface HeadBudget {
  /** Slots of the head that has most. */
  readonly most: number;
  /** Mean over the heads. */
  readonly mean: number;
  /** int32 [heads] */
  readonly headSlots: DeviceTensor;
}

/** Keys that heads select of a budget of k a head, by their shares of it (`ContentGateState`): at least one. */
export const keysOfHeads = (k: number, shares: readonly number[]): number[] =>
  shares.map((share) => Math.max(1, Math.round(k * share)));
