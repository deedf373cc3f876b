import { describe, expect, it } from 'vitest';
import { randomNormal, randomSource, randomUniform } from '../src/random.ts';

describe('seeded random numbers', () => {
  it('are mulberry32', () => {
    const random = randomSource(1);
    // The reference implementation's first numbers for seed 1.
    expect([random(), random(), random()]).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
  });

  it('are the same for the same seed, and others for another', () => {
    const draw = (seed: number) => randomUniform(8, randomSource(seed));
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  it('lie in ± bound', () => {
    const values = randomUniform(10_000, randomSource(5), 0.25);
    expect(Math.max(...values)).toBeLessThan(0.25);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.25);
    expect(Math.max(...values)).toBeGreaterThan(0.249);
  });

  it('have mean 0 and variance 1 when normal, whatever the length', () => {
    const values = randomNormal(20_001, randomSource(7));
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
    expect(Number.isFinite(values.at(-1))).toBe(true);
  });
});
