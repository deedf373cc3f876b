// Seeded random numbers: the same on every machine, so that what starts from them can be repeated.

/** Uniform in [0, 1). Mulberry32 (Tommy Ettinger, public domain). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` numbers, uniform in ±bound. */
export function randomUniform(length: number, bound: number, random: () => number): Float32Array {
  return Float32Array.from({ length }, () => bound * (2 * random() - 1));
}
