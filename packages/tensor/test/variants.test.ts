import { describe, expect, it } from 'vitest';
import { type LinearProblem, PreferredVariants, shapeClass } from '../dist/index.js';

const linear = (rows: number, change: Partial<LinearProblem> = {}): LinearProblem => ({
  op: 'linear',
  ...{ rows, inFeatures: 100, outFeatures: 8, bias: true, activation: 'none', ...change },
});

describe('shapeClass', () => {
  it('is the same for neighbouring lengths only', () => {
    expect(shapeClass(linear(120))).toBe(shapeClass(linear(128)));
    expect(shapeClass(linear(170))).toBe(shapeClass(linear(128)));
    expect(shapeClass(linear(190))).toBe(shapeClass(linear(256)));
    expect(shapeClass(linear(0))).not.toBe(shapeClass(linear(1)));
  });

  it('tells apart what is no length', () => {
    expect(shapeClass(linear(128, { inFeatures: 101 }))).not.toBe(shapeClass(linear(128)));
    expect(shapeClass(linear(128, { activation: 'gelu' }))).not.toBe(shapeClass(linear(128)));
    expect(shapeClass(linear(128, { dtype: 'float16' }))).not.toBe(shapeClass(linear(128)));
    expect(shapeClass(linear(128, { dtype: 'float32' }))).toBe(shapeClass(linear(128)));
  });
});

describe('PreferredVariants', () => {
  it('chooses what is wanted, preferred, first', () => {
    const preferred = new PreferredVariants('[test]');
    expect(preferred.choose(linear(128), ['a', 'b', 'c'])).toBe('a');
    preferred.prefer(shapeClass(linear(128)), 'b');
    expect(preferred.choose(linear(120), ['a', 'b', 'c'])).toBe('b');
    expect(preferred.choose(linear(512), ['a', 'b', 'c'])).toBe('a');
    expect(preferred.choose(linear(128), ['a', 'b', 'c'], 'c')).toBe('c');
  });

  it('ignores a preference that a problem does not have, and refuses a wish', () => {
    const preferred = new PreferredVariants('[test]');
    preferred.prefer(shapeClass(linear(128)), 'gone');
    expect(preferred.choose(linear(128), ['a', 'b'])).toBe('a');
    expect(() => preferred.choose(linear(128), ['a', 'b'], 'gone')).toThrow(
      "[test] linear: there is no variant 'gone' of this problem; use one of a, b.",
    );
  });
});
