// What a layer's attention reads of one text under dense attention, in host memory.

import { evenly } from '../evenly.ts';
import type { HeadInputs } from './attention-rows.ts';
import { range } from './head-learner.ts';

export interface LayerSample {
  readonly tokens: number;
  /** [tokens, heads, headDim], as key and value */
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  /** [tokens, modelDim]: what they were projected from. */
  readonly hidden: Float32Array;
}

export interface LayerDimensions {
  readonly heads: number;
  readonly headDim: number;
}

const rowsPerText = 48;

/** Queries of a text that learning looks at, evenly spaced. */
export const rowsOf = ({ tokens }: LayerSample): number[] => evenly(range(tokens), rowsPerText);

export function headInputs(sample: LayerSample, { heads, headDim }: LayerDimensions, head: number): HeadInputs {
  const rows = (values: Float32Array) => {
    const picked = new Float32Array(sample.tokens * headDim);
    for (let token = 0; token < sample.tokens; token++) {
      const start = (token * heads + head) * headDim;
      picked.set(values.subarray(start, start + headDim), token * headDim);
    }
    return picked;
  };
  return { queries: rows(sample.query), keys: rows(sample.key), headDim, scale: 1 / Math.sqrt(headDim) };
}
