// Choices under a budget by gradient descent, as differentiable architecture search has it (DARTS, Liu et al. 2019, arXiv
// 1806.09055; FBNet, Wu et al. 2019, arXiv 1812.03443): each choice becomes a distribution over what there is, whose
// expected error + λ · cost is minimised; then the likeliest is taken. Costs and errors add up, so that the expectation is
// known in closed form, and nothing is sampled.

import { breather, randomSource } from '@flashmla/tensor';
import { AdamW } from '../calibration/adam-w.ts';
import {
  cheapest,
  checkBudgetReached,
  type Figures,
  type Found,
  foundOf,
  type LayerChoice,
  leastBy,
  type SearchOptions,
  type SearchTable,
} from './table.ts';

const steps = 160;
const learningRate = 0.1;
/** Of the logits at the start: what breaks ties. */
const noise = 0.01;
const bisections = 24;
/** λ is searched between 1 / mostLambda and mostLambda, of errors and costs that are scaled to a range of 1. */
const mostLambda = 1e6;

/**
 * λ is found by bisection: the smallest whose result keeps the budget. Of all results that keep it, the one of least error.
 *
 * @throws FlashMLAError 'invalid-argument' for a budget that no choices keep; the signal's reason
 */
export async function searchByRelaxation(
  table: SearchTable,
  { budget, seed = 0, signal }: SearchOptions,
): Promise<Found> {
  checkBudgetReached(table, budget);
  const breathe = breather(signal);
  const [cheap, accurate] = [cheapest(table), leastBy(table, (a, b) => a.error - b.error || a.cost - b.cost)];
  if (accurate.cost <= budget) return accurate;
  const scale = { cost: accurate.cost - cheap.cost, error: Math.max(cheap.error - accurate.error, Number.MIN_VALUE) };
  let best = cheap;
  let [low, high] = [-Math.log(mostLambda), Math.log(mostLambda)];
  for (let i = 0; i < bisections; i++) {
    await breathe();
    const lambda = Math.exp((low + high) / 2);
    const found = descend(table, ({ cost, error }) => error / scale.error + (lambda * cost) / scale.cost, seed);
    if (found.cost > budget) {
      low = Math.log(lambda);
      continue;
    }
    high = Math.log(lambda);
    if (found.error < best.error) best = found;
  }
  return best;
}

/** Where in the parameters the logits of a variant's heads are; a layer's own are in front of them. */
interface Place {
  readonly losses: Float64Array;
  readonly start: number;
}

function descend(table: SearchTable, lossOf: (figures: Figures) => number, seed: number): Found {
  let size = 0;
  const place = (all: readonly Figures[]): Place => {
    const start = size;
    size += all.length;
    return { losses: Float64Array.from(all, lossOf), start };
  };
  const layers = table.map((variants) => ({
    own: place(variants),
    heads: variants.map(({ heads }) => heads.map(place)),
  }));
  const random = randomSource(seed);
  const logits = Float64Array.from({ length: size }, () => noise * random());
  const optimizer = new AdamW(size, 0);
  const gradient = new Float64Array(size);
  /** The expected loss of a choice; adds its gradient, weighted by how likely it is that the choice matters. */
  const expect = ({ losses, start }: Place, weight: number) => {
    const shares = softmax(logits.subarray(start, start + losses.length));
    const mean = losses.reduce((sum, loss, i) => sum + loss * shares[i], 0);
    for (let i = 0; i < losses.length; i++) gradient[start + i] = weight * shares[i] * (losses[i] - mean);
    return mean;
  };
  for (let step = 0; step < steps; step++) {
    // The heads first: what a variant is worth shows when its heads have settled.
    const isWarm = step >= steps / 2;
    for (const { own, heads } of layers) {
      const shares = softmax(logits.subarray(own.start, own.start + own.losses.length));
      const totals = heads.map((places, variant) =>
        places.reduce((sum, head) => sum + expect(head, shares[variant]), own.losses[variant]),
      );
      if (isWarm) expect({ start: own.start, losses: Float64Array.from(totals) }, 1);
    }
    optimizer.step(logits, gradient, learningRate);
  }
  const likeliest = ({ losses, start }: Place) => {
    const own = logits.subarray(start, start + losses.length);
    return own.indexOf(Math.max(...own));
  };
  const choices = layers.map(({ own, heads }): LayerChoice => {
    const variant = likeliest(own);
    return { variant, heads: heads[variant].map(likeliest) };
  });
  return foundOf(table, choices);
}

function softmax(logits: Float64Array): Float64Array {
  const most = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - most));
  const sum = exponentials.reduce((total, one) => total + one, 0);
  return exponentials.map((one) => one / sum);
}
