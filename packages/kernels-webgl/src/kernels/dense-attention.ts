// dense-attention: three passes over a chunk of keys at a time, logits, the softmax's state, the output so far
// (../shaders/dense-attention-*.glsl). What is held grows with the queries, not with queries × keys. Each exponential is
// computed once for four features, which costs less than another pass over a texture of weights would.

import type { DenseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, NONE, type Step } from '../plan.ts';
import { shader } from '../shader.ts';
import outputSource from '../shaders/dense-attention-output.glsl';
import outputQuadsSource from '../shaders/dense-attention-output-quads.glsl';
import scoresSource from '../shaders/dense-attention-scores.glsl';
import stateSource from '../shaders/dense-attention-state.glsl';
import { lseStep, rowsOf, withoutKeys } from './attention.ts';

const scores = shader('dense-attention-scores', scoresSource);
const state = shader('dense-attention-state', stateSource);
const output = shader('dense-attention-output', outputSource);
const outputQuads = shader('dense-attention-output-quads', outputQuadsSource);

/** Logits that are held at once, 16 MiB, as long as that leaves chunks of a sensible number of keys. */
const MAX_SCORES = 2 ** 22;
const MIN_CHUNK = 32;
const MAX_CHUNK = 512;

export const denseAttention: Kernel<DenseAttentionProblem> = {
  steps(p) {
    if (p.keys === 0) return withoutKeys(p);
    const rows = rowsOf(p);
    const chunkKeys = Math.min(MAX_CHUNK, Math.max(MIN_CHUNK, Math.floor(MAX_SCORES / Math.max(1, rows))), p.keys);
    const tokensFirst = Number(p.layout === 'tokens-first');
    const sizes = { heads: p.heads, queries: p.queries, keys: p.keys, headDim: p.headDim, tokensFirst };
    const steps: Step[] = [];
    for (let first = 0; first < p.keys; first += chunkKeys) {
      const chunk = Math.min(chunkKeys, p.keys - first);
      const hasBefore = Number(first > 0);
      // Two names in turn: a pass reads the state before it beside its own.
      const turn = (first / chunkKeys) % 2;
      const stateNow = `state ${turn}`;
      const stateBefore = hasBefore ? `state ${1 - turn}` : NONE;
      steps.push(
        {
          shader: scores,
          output: 'scores',
          elements: rows * chunk,
          arguments: {
            query: 'query',
            key: 'key',
            keyMask: p.mask ? 'keyMask' : NONE,
            hasMask: Number(p.mask),
            first,
            chunk,
            ...sizes,
            causal: Number(p.causal),
            scale: p.scale,
          },
        },
        {
          shader: state,
          output: stateNow,
          elements: rows,
          arguments: { scores: 'scores', before: stateBefore, hasBefore, chunk },
        },
        {
          shader: p.headDim % 4 === 0 ? outputQuads : output,
          output: 'output',
          elements: rows * p.headDim,
          arguments: {
            scores: 'scores',
            state: stateNow,
            before: hasBefore ? 'output' : NONE,
            stateBefore,
            hasBefore,
            value: 'value',
            first,
            chunk,
            isLast: Number(first + chunk === p.keys),
            ...sizes,
          },
        },
      );
    }
    const last = (Math.ceil(p.keys / chunkKeys) - 1) % 2;
    return [...steps, lseStep(p, `state ${last}`)];
  },
  issuedMultiplyAdds: (p) => 2 * rowsOf(p) * p.keys * p.headDim,
};
