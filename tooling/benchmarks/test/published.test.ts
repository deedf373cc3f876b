import { expect, test } from 'vitest';
import { compare, published, valuesOf } from '../src/gate-error/published.ts';

test('a published value is known to half of its last digit', () => {
  expect(valuesOf({ title: '', plain: '2.08 .004', sharp: '.24' })).toEqual([
    { value: 2.08, rounding: expect.closeTo(0.005) },
    { value: 0.004, rounding: expect.closeTo(0.0005) },
    { value: 0.24, rounding: expect.closeTo(0.005) },
  ]);
});

test('errors are compared by the worst layer', () => {
  const row = { title: '', plain: '.10', sharp: '.20', floor: { title: '', plain: '.05', sharp: '.20' } };
  const comparison = compare([0.1, 0.3], row, [0.1, 0.2]);
  expect(comparison.toValue).toBeCloseTo(1.5);
  expect(comparison.toRoundedValue).toBeCloseTo(0.3 / 0.205);
  // .1 ÷ .1 against .10 ÷ .05, and .3 ÷ .2 against .20 ÷ .20
  expect(comparison.toFloor).toBeCloseTo(1.5);
  expect(compare([0.1, 0.3], row, undefined)).not.toHaveProperty('toFloor');
});

test('every row has four layers, plain and sharp', () => {
  for (const row of Object.values(published)) expect(valuesOf(row)).toHaveLength(8);
});
