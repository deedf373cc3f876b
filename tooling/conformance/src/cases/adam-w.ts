import { type AdamWProblem, reference } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { compare } from '../compare.ts';
import { flatSizes, inputsFor } from '../seeded-inputs.ts';

/** learningRate, gradientScale and the corrections of step `t`. */
const scheduleOf = ({ beta1, beta2 }: AdamWProblem, t: number, learningRate = 1e-3, gradientScale = 1) =>
  Float32Array.of(learningRate, gradientScale, 1 / (1 - beta1 ** t), 1 / (1 - beta2 ** t));

function make(
  label: string,
  dimensions: Partial<AdamWProblem>,
  change: (inputs: Inputs, problem: AdamWProblem) => void = () => {},
): Case {
  const problem: AdamWProblem = {
    ...{ op: 'adam-w', elements: 1000, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
    ...dimensions,
  };
  const name = `adam-w: ${label}`;
  const inputs = inputsFor(name, problem, (given) => {
    given.secondMoment = given.secondMoment!.map(Math.abs);
    given.schedule = scheduleOf(problem, 10);
    change(given, problem);
  });
  const check: Case['check'] = (outputs, given) => {
    const expected = reference(problem, given);
    for (const name of ['parameter', 'firstMoment']) {
      compare(name, outputs[name]!, expected[name]!, { absolute: 1e-6, relative: 1e-6, cosine: 1e-9 });
    }
    compare('secondMoment', outputs.secondMoment!, expected.secondMoment!, {
      absolute: 0,
      relative: 1e-6,
      cosine: 1e-9,
    });
  };
  return { name, problem, inputs, check, mayRefuse: true, runs: problem.elements > 20_000 ? 5 : 1 };
}

export function* adamWCases(): Generator<Case> {
  for (const elements of flatSizes) yield make(`${elements}`, { elements });
  yield make('the first step', {}, (inputs, problem) => {
    inputs.firstMoment!.fill(0);
    inputs.secondMoment!.fill(0);
    inputs.schedule = scheduleOf(problem, 1, 0.1);
  });
  yield make('a gradient of 1e-9, far into the run', { weightDecay: 0 }, (inputs, problem) => {
    inputs.gradient = inputs.gradient!.map((value) => 1e-9 * value);
    inputs.firstMoment!.fill(1e-9);
    inputs.secondMoment!.fill(1e-18);
    inputs.schedule = scheduleOf(problem, 100_000, 0.1);
  });
  yield make('a scaled gradient', {}, (inputs, problem) => {
    inputs.schedule = scheduleOf(problem, 3, 0.01, 1 / 64);
  });
  yield make('nothing but decay', { weightDecay: 0.5 }, (inputs, problem) => {
    for (const name of ['gradient', 'firstMoment', 'secondMoment']) inputs[name]!.fill(0);
    inputs.schedule = scheduleOf(problem, 1, 0.1);
  });
  yield make('no momentum, no memory', { beta1: 0, beta2: 0 });
  yield make('a large epsilon', { epsilon: 1 });
  yield make('a gradient that is not finite', {}, (inputs) => {
    inputs.gradient!.fill(Number.NaN, 0, 10).fill(Number.POSITIVE_INFINITY, 10, 20);
  });
}
