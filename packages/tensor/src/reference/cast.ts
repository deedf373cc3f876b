// Reference of ops/cast.ts.

import { roundingTo } from '../half.ts';
import type { CastProblem } from '../ops/cast.ts';
import type { Reference } from './arrays.ts';

export const cast: Reference<CastProblem> = ({ to }, { input }) => ({
  output: Float64Array.from(input, roundingTo(to)),
});
