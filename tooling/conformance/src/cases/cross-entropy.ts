import type { CrossEntropyProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { gradientsMatch } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  label: string,
  dimensions: Partial<CrossEntropyProblem>,
  change?: (inputs: Inputs) => void,
  runs = 1,
): Case {
  const problem: CrossEntropyProblem = { op: 'cross-entropy', rows: 62, classes: 5, scale: 1 / 62, ...dimensions };
  const name = `cross-entropy: ${label}`;
  const inputs = inputsFor(name, problem, (given, random) => {
    given.labels = random.integers(problem.rows, 0, problem.classes);
    change?.(given);
  });
  return { name, problem, inputs, check: gradientsMatch(problem), mayRefuse: true, runs };
}

export function* crossEntropyCases(): Generator<Case> {
  for (const rows of [1, 16, 17, 213]) {
    for (const classes of [1, 2, 4, 7, 62, 1025]) yield make(`${rows}×${classes}`, { rows, classes, scale: 1 });
  }
  yield make('logits up to ±1e4', {}, (inputs) => {
    inputs.logits = inputs.logits!.map((value) => Math.max(-1e4, Math.min(1e4, Math.round(value * 40) * 100)));
  });
  yield make('labels that name no class', {}, (inputs) => {
    inputs.labels!.set([-100, -1, 5, 2 ** 31 - 1, -(2 ** 31)], 7);
    inputs.logits!.fill(Number.NaN, 7 * 5, 12 * 5);
  });
  yield make('five reruns', { rows: 1025, classes: 130 }, undefined, 5);
}
