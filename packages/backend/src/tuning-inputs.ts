// Inputs of any problem to time it with: what they hold matters only where the work depends on it.

import {
  ceilDivide,
  elementCount,
  fromFloat32,
  inputSpecs,
  isFloatDType,
  type Problem,
  randomNormal,
  randomSource,
  type TypedArray,
} from '@flashmla/tensor';

/** Normal floats, nothing masked, orders shuffled, lists full of different blocks spread over all keys; ids are 0. */
export function tuningInputs(problem: Problem): Record<string, TypedArray> {
  const random = randomSource(1);
  return Object.fromEntries(
    Object.entries(inputSpecs(problem)).map(([name, { shape, dtype }]) => {
      const count = elementCount(shape);
      if (isFloatDType(dtype)) return [name, fromFloat32(randomNormal(count, random), dtype)];
      if (dtype === 'uint8') return [name, new Uint8Array(count).fill(1)];
      const numbers = new Int32Array(count);
      if (name === 'keyOrder' || name === 'queryOrder') fillOrders(numbers, shape.at(-1)!, random);
      else if (problem.op === 'sparse-attention') fillLists(numbers, problem, random);
      return [name, numbers];
    }),
  );
}

function fillOrders(array: Int32Array, tokens: number, random: () => number): void {
  for (let start = 0; start < array.length; start += tokens) {
    for (let i = 0; i < tokens; i++) {
      // Fisher and Yates' shuffle, inside out.
      const at = Math.floor(random() * (i + 1));
      array[start + i] = array[start + at]!;
      array[start + at] = i;
    }
  }
}

function fillLists(
  array: Int32Array,
  { keys, blockKeys, slots }: Extract<Problem, { op: 'sparse-attention' }>,
  random: () => number,
): void {
  const blocks = ceilDivide(keys, blockKeys);
  const listed = Math.min(slots, blocks);
  array.fill(-1);
  for (let start = 0; start < array.length; start += slots) {
    for (let slot = 0; slot < listed; slot++) array[start + slot] = Math.floor(((slot + random()) * blocks) / listed);
  }
}
