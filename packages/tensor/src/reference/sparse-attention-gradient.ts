// Reference of ops/sparse-attention-gradient.ts: what flows to a mean goes to its keys in equal parts.

import { type SparseAttentionGradientProblem, sparseForward } from '../ops/sparse-attention-gradient.ts';
import type { Reference } from './arrays.ts';
import { attentionGradient } from './attention-gradient.ts';
import { selectedKeys } from './sparse-attention.ts';

export const sparseAttentionGradient: Reference<SparseAttentionGradientProblem> = (p, inputs, stored) =>
  attentionGradient(p, inputs, selectedKeys(sparseForward(p), inputs, stored));
