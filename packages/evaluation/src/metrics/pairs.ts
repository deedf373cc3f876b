// What all metrics ask of the two lists they compare.

import { invalidArgument } from '../errors.ts';

export type Numbers = readonly number[];

/** Raises 'invalid-argument' unless there is as much in one list as in the other, and something at all. */
export function checkPairs(metric: string, predicted: Numbers, expected: Numbers): void {
  if (predicted.length !== expected.length || expected.length === 0) {
    throw invalidArgument(
      `${metric} was given ${predicted.length} predicted and ${expected.length} expected values; ` +
        'expected equally many, at least one.',
    );
  }
}

/** Raises unless all are 0 or 1, besides what `checkPairs` asks. */
export function checkBinary(metric: string, predicted: Numbers, expected: Numbers): void {
  checkPairs(metric, predicted, expected);
  checkAll(metric, 'the label 0 or 1', [predicted, expected], (value) => value === 0 || value === 1);
}

/** Raises unless all are finite, besides what `checkPairs` asks. */
export function checkFinite(metric: string, predicted: Numbers, expected: Numbers): void {
  checkPairs(metric, predicted, expected);
  checkAll(metric, 'a finite number', [predicted, expected], Number.isFinite);
}

function checkAll(
  metric: string,
  expectation: string,
  lists: readonly [predicted: Numbers, expected: Numbers],
  does: (value: number) => boolean,
): void {
  lists.forEach((list, which) => {
    const index = list.findIndex((value) => !does(value));
    if (index === -1) return;
    const name = which === 0 ? 'predicted' : 'expected';
    throw invalidArgument(`${metric} was given ${name}[${index}] = ${list[index]}; expected ${expectation}.`);
  });
}
