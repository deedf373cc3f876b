// cast; see ../../assembly/cast.ts.

import { type CastProblem, floatDTypes } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { elementwise } from './elements.ts';

export const cast: Kernel<CastProblem> = {
  plan({ elements, from, to }) {
    const words = ['input', 'output', elements, floatDTypes.indexOf(from), floatDTypes.indexOf(to)];
    return elementwise('cast', elements, words);
  },
};
