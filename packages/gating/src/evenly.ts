// Samples at equal distances.

/** Up to `count` of the values, evenly spaced. */
export function evenly<T>(values: readonly T[], count: number): T[] {
  const taken = Math.min(count, values.length);
  return Array.from({ length: taken }, (_, i) => values[Math.floor((i * values.length) / taken)]);
}
