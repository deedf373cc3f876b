// Reference of ops/sum-of-squares.ts.

import type { SumOfSquaresProblem } from '../ops/sum-of-squares.ts';
import { dot, type Reference } from './arrays.ts';

export const sumOfSquares: Reference<SumOfSquaresProblem> = (_, { input }) => ({
  output: Float64Array.of(dot(input, input)),
});
