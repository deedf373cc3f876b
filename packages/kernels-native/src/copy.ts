// Bringing elements out: they are copied by a command like any other, in the order of the work and off the main thread.

import { ceilDivide } from '@flashmla/tensor';
import type { Address } from './addon.ts';
import type { Step } from './plan.ts';

/** A huge page of Linux on the usual CPUs; large arrays come in those (native/addon.cpp). */
const pageBytes = 2 ** 21;

/** The step that copies bytes; a task is what lies in one page of the destination. */
export const copyStep = (from: Address, to: Address, byteLength: number): Step => ({
  kernel: 'copy',
  tasks: byteLength === 0 ? 0 : ceilDivide((to % pageBytes) + byteLength, pageBytes),
  arguments: [from, to, byteLength, pageBytes],
});
