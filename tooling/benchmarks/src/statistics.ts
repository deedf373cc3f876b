// What is reported of repeated measurements.

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** First and third quartile: half of the runs lie between. */
  readonly quartiles: readonly [number, number];
  readonly runs: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    least: sorted[0],
    most: sorted[sorted.length - 1],
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
    runs: sorted.length,
  };
}

/** Between neighbours in proportion, as in type 7 of Hyndman and Fan 1996. */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  return below + (place % 1) * (sorted[Math.ceil(place)] - below);
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Runs the contestants in turn, `runs` rounds of each once, so that a busy moment of the machine meets all alike. They
 * must have run before.
 *
 * @returns what each gave, by contestant and round
 */
export async function alternate<Result>(
  contestants: readonly (() => Promise<Result>)[],
  runs: number,
): Promise<Result[][]> {
  const results = contestants.map((): Result[] => []);
  for (let round = 0; round < runs; round++) {
    for (const [index, run] of contestants.entries()) results[index].push(await run());
  }
  return results;
}
