// How a budget of keys is spread over the heads of a model: to those whose output it brings closest to dense attention's.

/** What a head may be given, as shares of the mean. */
export const budgetShares = [1 / 8, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 2, 3, 4] as const;

/**
 * A share for each head, their mean at most 1, so that the sum of the errors is small: greedily, always the step that saves
 * most error for its keys. Steps may skip shares, so that it is the convex hull of a head's curve that is walked (the greedy
 * bound of the multiple-choice knapsack problem, Sinha and Zoltners 1979).
 *
 * @param curves for each head its error at each of `budgetShares`
 */
export function spreadBudget(curves: readonly (readonly number[])[]): number[] {
  const chosen = curves.map(() => 0);
  let left = curves.length * (1 - budgetShares[0]);
  for (;;) {
    let best = { gain: 0, head: -1, to: 0, cost: 0 };
    for (const [head, errors] of curves.entries()) {
      const from = chosen[head];
      for (let to = from + 1; to < budgetShares.length; to++) {
        const cost = budgetShares[to] - budgetShares[from];
        const gain = (errors[from] - errors[to]) / cost;
        if (cost <= left && gain > best.gain) best = { gain, head, to, cost };
      }
    }
    if (best.head < 0) return chosen.map((at) => budgetShares[at]);
    chosen[best.head] = best.to;
    left -= best.cost;
  }
}
