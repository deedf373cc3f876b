// Seeded random arrays, the same on every machine.

/** Uniform in [0, 1): mulberry32 (Tommy Ettinger, public domain). */
function uniformSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` numbers of the standard normal distribution, by Box–Muller, both numbers of each pair. */
export function randomNormal(length: number, seed: number): Float32Array {
  const next = uniformSource(seed);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    values[i] = radius * Math.cos(angle);
    // Past the end for an odd length, where an array of fixed length ignores it.
    values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
