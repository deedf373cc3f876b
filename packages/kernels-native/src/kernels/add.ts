// add; see ../../native/add.hpp.

import type { AddProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { elementwise } from './elements.ts';

export const add: Kernel<AddProblem> = {
  plan: ({ elements }) => elementwise('add', elements, ['a', 'b', 'output', elements]),
};
