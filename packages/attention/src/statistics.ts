// What a sparse module did: how often each way was taken, and the last call in detail.

import { ceilDivide, type Plan, type Selection } from '@flashmla/tensor';

export type AttentionKind = 'dense' | 'sparse';

export interface CallStatistics {
  readonly tokens: number;
  /** Tokens of a text that asked: all, or the one whose output is wanted. */
  readonly queries: number;
  readonly chosen: AttentionKind;
  /** Why it was chosen, in words. */
  readonly why: string;
  /** Keys a query was to select; the gate decides what it makes of it. */
  readonly k: number;
  /** Share of keys computed for a query: (entries of a list · blockKeys + residual groups) ÷ keys; 1 for dense. */
  readonly density: number;
  /** Useful ÷ issued multiply-adds of the attention kernel, from its plan. */
  readonly computeDensity: number;
  /** Share of the attention mass on the selected keys (`measureSelection`); with `measureRecall`, sparse calls only. */
  readonly recall?: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of the attention's output, before the output projection; likewise. */
  readonly error?: number;
}

export interface AttentionStatistics {
  readonly calls: number;
  readonly dense: number;
  readonly sparse: number;
  readonly last?: CallStatistics;
}

export const noCalls: AttentionStatistics = { calls: 0, dense: 0, sparse: 0 };

export function withCall(before: AttentionStatistics, call: CallStatistics): AttentionStatistics {
  return {
    calls: before.calls + 1,
    dense: before.dense + (call.chosen === 'dense' ? 1 : 0),
    sparse: before.sparse + (call.chosen === 'sparse' ? 1 : 0),
    last: call,
  };
}

/** Share of `keys` that a list of `selection` and its residual groups make a query compute; an empty entry counts. */
export function densityOf(selection: Selection, keys: number): number {
  const { blockKeys, residualGroup, indices, meanSlots = indices.shape[3]! } = selection;
  const selected = Math.min(keys, meanSlots * blockKeys);
  const groups = residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;
  return keys === 0 ? 0 : (selected + groups) / keys;
}

export function computeDensityOf({ usefulMultiplyAdds, issuedMultiplyAdds }: Plan): number {
  return issuedMultiplyAdds === 0 ? 1 : usefulMultiplyAdds / issuedMultiplyAdds;
}
