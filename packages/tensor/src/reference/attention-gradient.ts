// What the gradients of dense and sparse attention share: back through the softmax of one query over its candidates.

import type { AttentionGradientDimensions } from '../ops/dense-attention-gradient.ts';
import { type Arrays, dot, type Row } from './arrays.ts';
import { type CandidatesOf, forEachHead } from './attention.ts';

const addScaled = (to: Row, from: Row, factor: number): void => {
  for (let i = 0; i < to.length; i++) to[i] += factor * from[i];
};

/** The gradients of attention over the candidates that `candidatesOf` gives each query. */
export function attentionGradient(
  p: AttentionGradientDimensions,
  inputs: Arrays,
  candidatesOf: CandidatesOf,
): Record<'queryGradient' | 'keyGradient' | 'valueGradient', Float64Array> {
  const queryGradient = new Float64Array(inputs.query.length);
  const keyGradient = new Float64Array(inputs.key.length);
  const valueGradient = new Float64Array(inputs.value.length);
  forEachHead(p, inputs, (head, rows) => {
    const candidates = candidatesOf(head);
    const queries = rows(inputs.query, p.queries);
    const outputs = rows(inputs.output, p.queries);
    const outputGradients = rows(inputs.outputGradient, p.queries);
    const ofQueries = rows(queryGradient, p.queries);
    const ofKeys = rows(keyGradient, p.keys);
    const ofValues = rows(valueGradient, p.keys);
    for (const [i, query] of queries.entries()) {
      const flowing = outputGradients[i];
      const mean = dot(flowing, outputs[i]);
      for (const { key, value, members } of candidates(i)) {
        const count = members.length;
        const weight = count * Math.exp(p.scale * dot(query, key) - inputs.lse[head.row * p.queries + i]);
        const slope = p.scale * weight * (dot(flowing, value) - mean);
        addScaled(ofQueries[i], key, slope);
        for (const j of members) {
          addScaled(ofKeys[j], query, slope / count);
          addScaled(ofValues[j], flowing, weight / count);
        }
      }
    }
  });
  return { queryGradient, keyGradient, valueGradient };
}
