// Reference of ops/add.ts.

import type { AddProblem } from '../ops/add.ts';
import type { Reference } from './arrays.ts';

export const add: Reference<AddProblem> = (_, { a, b }) => ({ output: Float64Array.from(a, (x, i) => x + b[i]) });
