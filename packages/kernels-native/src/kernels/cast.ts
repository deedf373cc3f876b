// cast; see ../../native/cast.hpp.

import type { CastProblem, FloatDType } from '@flashmla/tensor';
import { type Kernel, suffixes } from '../plan.ts';
import { elementwise } from './elements.ts';

const suffixOf = (dtype: FloatDType) => (dtype === 'float16' ? 'f16' : suffixes[dtype]);

export const cast: Kernel<CastProblem> = {
  plan: ({ elements, from, to }) =>
    elementwise(`cast_${suffixOf(from)}_${suffixOf(to)}`, elements, ['input', 'output', elements]),
};
