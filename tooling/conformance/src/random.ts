// Random numbers that are the same on every machine, drawn from a name: a case is its own seed.

export class Random {
  #state: number;

  constructor(seed: string) {
    // FNV-1a
    let hash = 0x811c9dc5;
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
    this.#state = hash >>> 0;
  }

  /** Uniform in [0, 1). Mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [low, high). */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low));
  }

  integers(count: number, low: number, high: number): Int32Array {
    return new Int32Array(count).map(() => this.integer(low, high));
  }

  /** `count` samples of a normal distribution, two at a time (Box & Muller 1958). */
  normals(count: number, deviation = 1): Float32Array {
    const samples = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - this.next()));
      const angle = 2 * Math.PI * this.next();
      samples[i] = radius * Math.cos(angle);
      if (i + 1 < count) samples[i + 1] = radius * Math.sin(angle);
    }
    return samples;
  }

  /** A permutation of 0 … length − 1 (Fisher & Yates). */
  permutation(length: number): number[] {
    const order = Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.integer(0, i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  /** `count` different whole numbers below `below`, ascending. */
  subset(count: number, below: number): number[] {
    return this.permutation(below)
      .slice(0, count)
      .sort((a, b) => a - b);
  }
}
