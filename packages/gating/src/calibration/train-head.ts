// The training loop of one head: steps on random rows of random texts, the best state by held-out recall.

import { randomSource } from '@flashmla/tensor';
import { AdamW } from './adam-w.ts';
import type { HeadLearner } from './head-learner.ts';
import { learningRateAt } from './schedule.ts';

export interface TrainOptions {
  readonly steps: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly seed: number;
  /** Awaited between steps. */
  readonly breathe: () => Promise<void>;
}

export interface Trained {
  /** The state of best held-out recall, the one learning started from included. */
  readonly parameters: Float64Array;
  /** Steps that were made. */
  readonly steps: number;
}

const rowsPerStep = 16;
const stepsPerLook = 25;
/** Share of the steps in which the learning rate rises. */
const warmUp = 0.1;
/** Looks at the held-out texts without a better recall after which training ends. */
const patience = 4;

export async function trainHead<Example>(
  learner: HeadLearner<Example>,
  training: readonly Example[],
  heldOut: readonly Example[],
  { steps, learningRate, weightDecay, seed, breathe }: TrainOptions,
): Promise<Trained> {
  const parameters = learner.start.slice();
  const gradient = new Float64Array(parameters.length);
  const optimizer = new AdamW(parameters.length, weightDecay);
  const random = randomSource(seed);
  const pick = (count: number) => Math.floor(random() * count);
  const recallOf = async () => {
    let sum = 0;
    for (const example of heldOut) {
      sum += learner.recall(parameters, example);
      await breathe();
    }
    return sum / heldOut.length;
  };
  let best = { parameters: parameters.slice(), recall: await recallOf() };
  let looksSinceBest = 0;
  let step = 0;
  while (step < steps && looksSinceBest < patience) {
    const example = training[pick(training.length)];
    const count = learner.rowsOf(example);
    const rows = Array.from({ length: Math.min(rowsPerStep, count) }, () => pick(count));
    gradient.fill(0);
    learner.loss(parameters, example, rows, gradient);
    optimizer.step(parameters, gradient, learningRateAt(step, steps, learningRate, warmUp));
    step++;
    await breathe();
    if (step % stepsPerLook > 0 && step < steps) continue;
    const recall = await recallOf();
    looksSinceBest = recall > best.recall ? 0 : looksSinceBest + 1;
    if (recall > best.recall) best = { parameters: parameters.slice(), recall };
  }
  return { parameters: best.parameters, steps: step };
}
