// Whether an order is a content order (the definition in tensor's ops/content-order.ts), when float32 sums may pick
// another dimension than float64 ones where two variances are all but equal.

import { type ContentOrderProblem, ceilDivide, type NumberArray } from '@flashmla/tensor';
import type { Inputs } from '../case.ts';

/** A dimension may be split when its variance is this close to the largest. */
const varianceTolerance = 1e-4;

export function checkContentOrder(problem: ContentOrderProblem, inputs: Inputs, order: NumberArray): void {
  const { batch, heads, tokens, rank, leaf } = problem;
  for (let row = 0; row < batch * heads; row++) {
    const fail = (message: string): never => {
      throw new Error(`order of head ${row}: ${message}`);
    };
    const list = [...order.subarray(row * tokens, (row + 1) * tokens)];
    const sorted = list.toSorted((a, b) => a - b);
    if (!sorted.every((token, i) => token === i)) fail('not a permutation');

    const entry = Math.floor(row / heads);
    const present = (token: number) => !problem.mask || inputs.mask![entry * tokens + token] !== 0;
    const count = sorted.filter(present).length;
    if (!list.slice(0, count).every(present)) fail('an absent token comes before a present one');
    checkAscending(list.slice(count), (message) => fail(`absent tokens: ${message}`));

    const value = (token: number, axis: number) => inputs.points![(row * tokens + token) * rank + axis]!;
    const walk = (node: readonly number[], start: number): void => {
      if (node.length <= leaf) {
        checkAscending(node, (message) => fail(`leaf at ${start}: ${message}`));
        return;
      }
      const half = ceilDivide(Math.floor(node.length / 2), leaf) * leaf;
      const [left, right] = [node.slice(0, half), node.slice(half)];
      const variances = Array.from({ length: rank }, (_, axis) => variance(node.map((token) => value(token, axis))));
      const largest = Math.max(...variances);
      const splits = (axis: number) => {
        const before = (a: number, b: number) =>
          value(a, axis) < value(b, axis) || (value(a, axis) === value(b, axis) && a < b);
        const lastOfLeft = left.reduce((a, b) => (before(a, b) ? b : a));
        const firstOfRight = right.reduce((a, b) => (before(a, b) ? a : b));
        return before(lastOfLeft, firstOfRight);
      };
      if (!variances.some((v, axis) => v >= largest * (1 - varianceTolerance) && splits(axis))) {
        fail(
          `the ${node.length} tokens from ${start} on are not split at ${half} along a dimension of largest variance`,
        );
      }
      walk(left, start);
      walk(right, start + half);
    };
    walk(list.slice(0, count), 0);
  }
}

function checkAscending(list: readonly number[], fail: (message: string) => void): void {
  const at = list.findIndex((token, i) => i > 0 && token <= list[i - 1]!);
  if (at >= 0) fail(`${list[at - 1]} is followed by ${list[at]}, expected ascending tokens`);
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}
