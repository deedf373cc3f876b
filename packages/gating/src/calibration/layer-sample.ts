// Rows and heads of what a layer reads of a text.

import { evenly } from '../evenly.ts';
import type { LayerDimensions, LayerSample } from '../measure-gate.ts';
import type { HeadInputs } from './attention-rows.ts';
import { range } from './head-learner.ts';

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
