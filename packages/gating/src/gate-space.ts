// A gate space: for each head the two maps that bring queries and keys into a few dimensions where their product
// estimates the logit. q̃ = q·A, k̃ = k·B.

import { checkTensor, FlashMLAError, formatShape, type HostTensor, tensor } from '@flashmla/tensor';

/** The maps of all heads, as wide as the widest; columns past a head's rank are zero and count for nothing. */
export interface GateSpace {
  readonly heads: number;
  readonly headDim: number;
  /** Columns of the maps: the largest of `ranks`, rounded up to a multiple of 4. */
  readonly rank: number;
  /** Dimensions that each head uses. */
  readonly ranks: readonly number[];
  /** A, f32 [heads, headDim, rank]. */
  readonly queryMap: HostTensor;
  /** B, f32 [heads, headDim, rank]. */
  readonly keyMap: HostTensor;
  /** See ContentGateState. */
  readonly shares?: readonly number[] | undefined;
}

/** The maps of one head, row-major [headDim, width], the best `rank` columns first. */
export interface HeadMaps {
  readonly width: number;
  readonly queryMap: Float64Array;
  readonly keyMap: Float64Array;
  /** Columns to use, at most `width`. */
  readonly rank: number;
}

export function joinHeads(headDim: number, heads: readonly HeadMaps[]): GateSpace {
  const ranks = heads.map((head) => head.rank);
  const rank = 4 * Math.ceil(Math.max(...ranks) / 4);
  const join = (which: 'queryMap' | 'keyMap') => {
    const joined = new Float32Array(heads.length * headDim * rank);
    for (const [head, maps] of heads.entries()) {
      for (let row = 0; row < headDim; row++) {
        const columns = maps[which].subarray(row * maps.width, row * maps.width + maps.rank);
        joined.set(columns, (head * headDim + row) * rank);
      }
    }
    return tensor(joined, [heads.length, headDim, rank]);
  };
  return { heads: heads.length, headDim, rank, ranks, queryMap: join('queryMap'), keyMap: join('keyMap') };
}

/** What is stored of a gate space; see `ContentGate.state`. */
export interface ContentGateState {
  readonly gate: 'content';
  /** f32 [heads, headDim, rank] */
  readonly queryMap: HostTensor;
  /** f32 [heads, headDim, rank] */
  readonly keyMap: HostTensor;
  /** Dimensions that each head uses, at most rank. */
  readonly ranks: readonly number[];
  /**
   * Where a budget is spread over the heads of a model (`calibrateGates`): a head selects round(k · share) keys, k being the
   * mean over all heads. Absent = k in every head.
   */
  readonly shares?: readonly number[] | undefined;
}

/** The gate space of a stored state, checked. */
export function spaceOfState({ queryMap, keyMap, ranks, shares }: ContentGateState): GateSpace {
  checkTensor('[gating] content:', 'queryMap', queryMap);
  checkTensor('[gating] content:', 'keyMap', keyMap);
  const [heads, headDim, rank] = queryMap.shape;
  const sameShape = formatShape(queryMap.shape) === formatShape(keyMap.shape);
  if (queryMap.shape.length !== 3 || !sameShape || queryMap.dtype !== 'float32' || keyMap.dtype !== 'float32') {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] content: queryMap is ${queryMap.dtype} ${formatShape(queryMap.shape)}, keyMap ${keyMap.dtype} ` +
        `${formatShape(keyMap.shape)}; expected float32 [heads, headDim, rank] for both. Fit the gates again.`,
    );
  }
  const legal = (value: number) => Number.isSafeInteger(value) && value >= 1 && value <= rank;
  if (ranks.length !== heads || !ranks.every(legal)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] content: ranks are [${ranks.join(', ')}]; expected ${heads} whole numbers from 1 to ${rank}. Fit the gates again.`,
    );
  }
  if (shares && !(shares.length === heads && shares.every((share) => Number.isFinite(share) && share > 0))) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] content: shares are [${shares.join(', ')}]; expected ${heads} numbers above 0. Calibrate the gates again.`,
    );
  }
  return { heads, headDim, rank, ranks: [...ranks], queryMap, keyMap, ...(shares && { shares: [...shares] }) };
}
