// Reference of ops/dense-attention.ts: every query attends to every key it can see.

import type { DenseAttentionProblem } from '../ops/dense-attention.ts';
import type { Reference } from './arrays.ts';
import { attention, type CandidatesOf } from './attention.ts';

export const visibleKeys: CandidatesOf =
  ({ keys, visible }) =>
  (query) =>
    keys.filter((_, j) => visible(query, j));

export const denseAttention: Reference<DenseAttentionProblem> = (p, inputs, stored) =>
  attention(p, inputs, stored, visibleKeys);
