// Random numbers that are the same on every machine, drawn from a name: a case is its own seed.

import { randomNormal, randomSource } from '@flashmla/tensor';

export class Random {
  /** Uniform in [0, 1). */
  readonly next: () => number;

  constructor(seed: string) {
    // FNV-1a
    let hash = 0x811c9dc5;
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
    this.next = randomSource(hash);
  }

  /** A whole number in [low, high). */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low));
  }

  integers(count: number, low: number, high: number): Int32Array {
    return new Int32Array(count).map(() => this.integer(low, high));
  }

  /** `count` samples of a normal distribution. */
  normals(count: number, deviation = 1): Float32Array {
    return randomNormal(count, this.next).map((x) => deviation * x);
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
