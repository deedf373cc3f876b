// Tensors from one float type to another.

import { expect, test } from 'vitest';
import { castTo, float32ToBfloat16, float32ToFloat16, readFloat32, roundingTo, tensor } from '../src/index.ts';

const values = Float32Array.of(1, -2.5, 1 / 3, 65504);

test('a tensor that has the dtype is handed back, anything else is rounded once', () => {
  const single = tensor(values, [2, 2]);
  const half = castTo(single, 'float16');
  expect(castTo(single, 'float32')).toBe(single);
  expect(castTo(half, 'float16')).toBe(half);
  expect(half).toMatchObject({ dtype: 'float16', shape: [2, 2], array: float32ToFloat16(values) });
  expect(castTo(half, 'float32').array).toEqual(Float32Array.of(1, -2.5, 0.333251953125, 65504));
  expect(castTo(single, 'bfloat16')).toMatchObject({ dtype: 'bfloat16', array: float32ToBfloat16(values) });
  const brain = tensor(float32ToBfloat16(values), [4], 'bfloat16');
  expect(castTo(brain, 'float16').array).toEqual(float32ToFloat16(Float32Array.of(1, -2.5, 0.333984375, 65536)));
});

test('readFloat32 widens what it reads', async () => {
  expect(await readFloat32(castTo(tensor(values, [4]), 'float16'))).toEqual(
    Float32Array.of(1, -2.5, 0.333251953125, 65504),
  );
  expect(await readFloat32(tensor(values, [4]))).toBe(values);
});

test('roundingTo rounds a number once, from the double itself', () => {
  // Halfway between two neighbours, and a little more than that: what float32 would lose on the way.
  for (const [dtype, steps] of [
    ['float16', 2 ** -10],
    ['bfloat16', 2 ** -7],
    ['float32', 2 ** -23],
  ] as const) {
    const round = roundingTo(dtype);
    expect(round(1 + steps / 2), dtype).toBe(1);
    expect(round(1 + steps / 2 + 2 ** -50), dtype).toBe(1 + steps);
    expect(round(-1e39), dtype).toBe(Number.NEGATIVE_INFINITY);
    expect(round(Number.NaN), dtype).toBeNaN();
  }
});
