// Seeded random numbers, the same on every machine: initial weights, inputs of measurements and tests. Not for statistics
// or secrets.

/** A source of numbers uniform in [0, 1), of a 32-bit seed: mulberry32 (Tommy Ettinger, public domain). */
export function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` numbers uniform in [−bound, bound). */
export function randomUniform(length: number, random: () => number, bound = 1): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = bound * (2 * random() - 1);
  return values;
}

/** `length` numbers of the standard normal distribution, both of each pair (Box & Muller 1958). */
export function randomNormal(length: number, random: () => number): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    // Past the end for an odd length, where an array of fixed length ignores it.
    values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** The same values in another order (Fisher & Yates). */
export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const all = [...values];
  for (let i = all.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [all[i], all[other]] = [all[other], all[i]];
  }
  return all;
}
