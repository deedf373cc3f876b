// Reference of ops/dense-attention-gradient.ts.

import type { DenseAttentionGradientProblem } from '../ops/dense-attention-gradient.ts';
import type { Reference } from './arrays.ts';
import { attentionGradient } from './attention-gradient.ts';
import { visibleKeys } from './dense-attention.ts';

export const denseAttentionGradient: Reference<DenseAttentionGradientProblem> = (p, inputs) =>
  attentionGradient(p, inputs, visibleKeys);
