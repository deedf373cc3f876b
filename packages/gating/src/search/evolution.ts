// Choices under a budget by evolution: what is within the budget and has the smaller error has more offspring.

import { breather, randomSource } from '@flashmla/tensor';
import {
  cheapest,
  checkBudgetReached,
  type Found,
  foundOf,
  type LayerChoice,
  type LayerVariant,
  leastBy,
  type SearchOptions,
  type SearchTable,
} from './table.ts';

const populationSize = 96;
const generations = 400;
/** The best of each generation live on as they are. */
const elite = 4;
const tournamentSize = 3;

/**
 * Tournament selection, uniform crossover by layers and heads, mutation of about one gene; what breaks the budget loses to
 * what keeps it, and among those the cheaper wins (constrained domination, Deb et al. 2002, NSGA-II). Begins with the
 * cheapest choices, those of least error, and random ones.
 *
 * @throws FlashMLAError 'invalid-argument' for a budget that no choices keep; the signal's reason
 */
export async function searchByEvolution(
  table: SearchTable,
  { budget, seed = 0, signal }: SearchOptions,
): Promise<Found> {
  checkBudgetReached(table, budget);
  const breathe = breather(signal);
  const random = randomSource(seed);
  const compare = (a: Found, b: Found) => {
    const [over, other] = [Math.max(0, a.cost - budget), Math.max(0, b.cost - budget)];
    return over - other || a.error - b.error || a.cost - b.cost;
  };
  const below = (count: number) => Math.floor(count * random());
  const anyOf = (variants: readonly LayerVariant[]): LayerChoice => {
    const variant = below(variants.length);
    return { variant, heads: variants[variant].heads.map((options) => below(options.length)) };
  };
  const accurate = leastBy(table, (a, b) => a.error - b.error || a.cost - b.cost);
  let population: Found[] = [cheapest(table), accurate];
  while (population.length < populationSize) population.push(foundOf(table, table.map(anyOf)));

  const genes = table.reduce((sum, variants) => sum + 1 + Math.max(...variants.map(({ heads }) => heads.length)), 0);
  const mutated = (choice: LayerChoice, variants: readonly LayerVariant[]): LayerChoice => {
    let { variant, heads } = choice;
    if (random() < 1 / genes + 0.5 / table.length) {
      variant = below(variants.length);
      // A head keeps its place on the ladder where the other variant has it.
      heads = variants[variant].heads.map((options, head) =>
        heads[head] === undefined ? below(options.length) : Math.min(heads[head], options.length - 1),
      );
    }
    const options = variants[variant].heads;
    heads = heads.map((own, head) => {
      if (random() >= 1.5 / genes) return own;
      const step = random() < 0.5 ? -1 : 1;
      return random() < 0.7 ? Math.min(options[head].length - 1, Math.max(0, own + step)) : below(options[head].length);
    });
    return { variant, heads };
  };
  const crossed = (a: LayerChoice, b: LayerChoice): LayerChoice => {
    if (a.variant !== b.variant) return random() < 0.5 ? a : b;
    return { variant: a.variant, heads: a.heads.map((own, head) => (random() < 0.5 ? own : b.heads[head])) };
  };
  const parent = () => {
    let best = population[below(populationSize)];
    for (let i = 1; i < tournamentSize; i++) {
      const other = population[below(populationSize)];
      if (compare(other, best) < 0) best = other;
    }
    return best.layers;
  };
  for (let generation = 0; generation < generations; generation++) {
    await breathe();
    population.sort(compare);
    const next = population.slice(0, elite);
    while (next.length < populationSize) {
      const [a, b] = [parent(), parent()];
      const child = table.map((variants, layer) => mutated(crossed(a[layer], b[layer]), variants));
      next.push(foundOf(table, child));
    }
    population = next;
  }
  return population.sort(compare)[0];
}
