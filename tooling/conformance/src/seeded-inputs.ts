// Random inputs of any problem, by what its declaration asks for.

import { ceilDivide, elementCount, inputSpecs, type NumberArray, type Problem } from '@flashmla/tensor';
import type { Inputs } from './case.ts';
import { Random } from './random.ts';

/**
 * Normal floats; masks with about a quarter absent; orders that are permutations; ids inside their tables; lists of
 * blocks, ascending and unique, some of them not full.
 *
 * What is absent by a mask is NaN, so that a kernel which looks at it is found out.
 */
export function seededInputs(problem: Problem, random: Random): Inputs {
  const inputs: Inputs = {};
  for (const [name, { shape }] of Object.entries(inputSpecs(problem))) {
    inputs[name] = inputOf(problem, name, elementCount(shape), shape.at(-1) ?? 1, random);
  }
  poisonAbsent(problem, inputs);
  return inputs;
}

function inputOf(problem: Problem, name: string, count: number, last: number, random: Random): NumberArray {
  switch (name) {
    case 'mask':
    case 'keyMask':
    case 'queryMask':
      return Uint8Array.from({ length: count }, () => Number(random.next() < 0.75));
    case 'keyOrder':
    case 'queryOrder':
      return rows(count, last, () => random.permutation(last));
    case 'indices':
      return 'slots' in problem && 'blockKeys' in problem && problem.op !== 'select-top-k'
        ? randomLists(problem, random)
        : new Int32Array(count);
    case 'headSlots':
      return random.integers(count, 1, problem.op === 'select-top-k' ? problem.slots + 1 : 2);
    case 'tokenIds':
      return random.integers(count, 0, 'vocabulary' in problem ? problem.vocabulary : 1);
    case 'positionIds':
      return random.integers(count, 0, 'vocabulary' in problem ? problem.positions : 1);
    case 'typeIds':
      return random.integers(count, 0, 'vocabulary' in problem ? problem.types : 1);
    case 'weight':
      // Of a matrix: results of about unit size, whatever the features.
      return random.normals(count, problem.op.startsWith('linear') ? 1 / Math.sqrt(last) : 1);
    default:
      return random.normals(count);
  }
}

/** For each list between none and all of its slots, filled with different blocks, ascending; −1 in the rest. */
function randomLists(
  {
    keys,
    blockKeys,
    slots,
    batch,
    heads,
    queries,
    tileQueries,
  }: Extract<Problem, { op: 'sparse-attention' | 'sparse-attention-gradient' }>,
  random: Random,
): Int32Array {
  const blocks = ceilDivide(keys, blockKeys);
  const most = Math.min(slots, blocks);
  const lists = batch * heads * ceilDivide(queries, tileQueries);
  return rows(lists * slots, slots, () => {
    const list = random.subset(random.next() < 0.7 ? most : random.integer(0, most + 1), blocks);
    return [...list, ...new Array<number>(slots - list.length).fill(-1)];
  });
}

function rows(count: number, length: number, row: () => number[]): Int32Array {
  const array = new Int32Array(count);
  for (let start = 0; start < count; start += length) array.set(row(), start);
  return array;
}

function poisonAbsent(problem: Problem, inputs: Inputs): void {
  const poison = (names: string[], mask: NumberArray | undefined, tokens: number, tokensFirst: boolean) => {
    if (!mask || !('heads' in problem)) return;
    for (const name of names) {
      const array = inputs[name]!;
      const width = array.length / (problem.batch * problem.heads * tokens);
      for (let i = 0; i < problem.batch * problem.heads * tokens; i++) {
        const [batch, token] = tokensFirst
          ? [Math.floor(i / (tokens * problem.heads)), Math.floor(i / problem.heads) % tokens]
          : [Math.floor(i / (tokens * problem.heads)), i % tokens];
        if (mask[batch * tokens + token] === 0) array.fill(Number.NaN, i * width, (i + 1) * width);
      }
    }
  };
  switch (problem.op) {
    case 'dense-attention':
    case 'dense-attention-gradient':
    case 'sparse-attention-gradient':
    case 'sparse-attention':
      poison(['key', 'value'], inputs.keyMask, problem.keys, problem.layout === 'tokens-first');
      break;
    case 'content-order':
      poison(['points'], inputs.mask, problem.tokens, false);
      break;
    case 'block-pool':
      poison(['input'], inputs.mask, problem.tokens, problem.layout === 'tokens-first');
      break;
    case 'select-top-k':
      poison(['key'], inputs.keyMask, problem.keys, false);
      poison(['query'], inputs.queryMask, problem.queries, false);
      break;
  }
}

/** Elements of flat tensors: less than a vector, not a whole number of them, and more than a task of any kernel. */
export const flatSizes: readonly number[] = [1, 2, 3, 4, 7, 62, 1025, 16384, 40_001];

/** `seededInputs` from a case's name, then changed by `change`. */
export const inputsFor =
  (name: string, problem: Problem, change: (inputs: Inputs, random: Random) => void = () => {}) =>
  (): Inputs => {
    const random = new Random(name);
    const inputs = seededInputs(problem, random);
    change(inputs, random);
    return inputs;
  };
