// What dense and sparse attention share: lse from what a softmax keeps, and attention without any key.

import type { AttentionDimensions } from '@flashmla/tensor';
import type { Step } from '../plan.ts';
import { shader } from '../shader.ts';
import lseSource from '../shaders/attention-lse.glsl';
import constantSource from '../shaders/constant.glsl';

const logSum = shader('attention-lse', lseSource);
const constant = shader('constant', constantSource);

/** Rows of attention: queries of all heads. */
export const rowsOf = ({ batch, heads, queries }: AttentionDimensions): number => batch * heads * queries;

/** The output lse from `state`, pairs (m, Σ exp(logit − m)) a row. */
export const lseStep = (p: AttentionDimensions, state: string): Step => ({
  shader: logSum,
  output: 'lse',
  elements: rowsOf(p),
  arguments: { state },
});

/** Output 0 and lse −∞. */
export const withoutKeys = (p: AttentionDimensions): Step[] => [
  { shader: constant, output: 'output', elements: rowsOf(p) * p.headDim, arguments: { isNegativeInfinity: 0 } },
  { shader: constant, output: 'lse', elements: rowsOf(p), arguments: { isNegativeInfinity: 1 } },
];
