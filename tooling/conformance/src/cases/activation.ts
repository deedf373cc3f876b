import type { ActivationGradientProblem, ActivationProblem } from '@flashmla/tensor';
import type { Case } from '../case.ts';
import { gradientsMatch, matchesReference } from '../compare.ts';
import { flatSizes, inputsFor } from '../seeded-inputs.ts';
import { tellingSlopes } from './linear-gradient.ts';

const activations = ['gelu', 'gelu-tanh', 'tanh', 'relu'] as const;

export function* activationCases(): Generator<Case> {
  for (const [turn, elements] of flatSizes.entries()) {
    const activation = activations[turn % activations.length]!;
    yield* pair(`${elements}, ${activation}`, elements, activation);
  }
  for (const activation of activations) {
    yield* pair(
      `${activation} of values up to ±1e4`,
      tellingSlopes.length,
      activation,
      Float32Array.from(tellingSlopes),
    );
  }
}

/** The op and its gradient, on normal inputs or on those given. */
function* pair(
  label: string,
  elements: number,
  activation: ActivationProblem['activation'],
  input?: Float32Array,
): Generator<Case> {
  const runs = elements > 20_000 ? 5 : 1;
  const forward: ActivationProblem = { op: 'activation', elements, activation };
  const gradient: ActivationGradientProblem = { op: 'activation-gradient', elements, activation };
  for (const problem of [forward, gradient]) {
    const name = `${problem.op}: ${label}`;
    const inputs = inputsFor(name, problem, (given) => {
      if (input) given.input = input;
    });
    const check = problem.op === 'activation' ? matchesReference(problem) : gradientsMatch(problem);
    yield { name, problem, inputs, check, mayRefuse: true, runs };
  }
}
