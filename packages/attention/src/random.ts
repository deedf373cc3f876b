// Seeded random numbers, the same on every platform: for initial weights and for the inputs of measurements.

/**
 * Numbers in [0, 1) from a 32-bit seed: mulberry32 by Tommy Ettinger (public domain). Good enough to initialise with,
 * not for statistics or secrets.
 */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
