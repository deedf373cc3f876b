// The ops of a training step beside the gradients: what their references are held to, and what they refuse.

import { describe, expect, test } from 'vitest';
import { inPlaceInputs, type Problem, randomNormal, randomSource, reference, validateProblem } from '../src/index.ts';

const elements = 20_000;
const ones = new Float64Array(elements).fill(1);
const adamW = { op: 'adam-w', elements: 1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 } as const;

describe('dropout', () => {
  const maskOf = (seed: number, rate = 0.3) => {
    const { output } = reference({ op: 'dropout', elements, rate }, { input: ones, seed: Int32Array.of(seed) });
    return Array.from(output!, Boolean);
  };
  /** Three standard deviations of the share of `elements` draws. */
  const margin = (share: number) => 3 * Math.sqrt((share * (1 - share)) / elements);
  const share = (mask: readonly boolean[]) => mask.filter(Boolean).length / mask.length;

  test.each([0, 0.1, 0.5, 0.9])('a rate of %f drops that share, and scales the rest', (rate) => {
    expect(Math.abs(share(maskOf(7, rate)) - (1 - rate))).toBeLessThanOrEqual(margin(rate));
    const { output } = reference({ op: 'dropout', elements, rate }, { input: ones, seed: Int32Array.of(7) });
    expect(new Set(output)).toEqual(new Set(rate === 0 ? [1] : [0, 1 / (1 - rate)]));
  });

  test('elements beside one another, and seeds that follow one another, have nothing to do with one another', () => {
    const mask = maskOf(7);
    const others = [
      ...[1, 2, 4, 64].map((step) => [...mask.slice(step), ...mask.slice(0, step)]),
      maskOf(8),
      maskOf(-7),
    ];
    for (const other of others) {
      const both = mask.map((kept, i) => kept && other[i]!);
      expect(Math.abs(share(both) - 0.7 ** 2)).toBeLessThanOrEqual(margin(0.7 ** 2));
    }
  });
});

test('adam-w walks as its algorithm is written, step after step', () => {
  const { beta1, beta2, epsilon, weightDecay } = adamW;
  const [learningRate, gradientScale] = [0.1, 0.5];
  const gradients = randomNormal(5, randomSource(1));
  let state: Record<string, Float64Array> = {
    parameter: Float64Array.of(2),
    firstMoment: Float64Array.of(0),
    secondMoment: Float64Array.of(0),
  };
  let [x, m, v] = [2, 0, 0];
  for (const [i, given] of gradients.entries()) {
    const t = i + 1;
    const g = gradientScale * given;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g ** 2;
    const decayed = x - learningRate * weightDecay * x;
    x = decayed - (learningRate * (m / (1 - beta1 ** t))) / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon);
    const schedule = Float64Array.of(learningRate, gradientScale, 1 / (1 - beta1 ** t), 1 / (1 - beta2 ** t));
    const outputs = reference(adamW, { ...state, gradient: Float64Array.of(given), schedule });
    state = outputs as Record<string, Float64Array>;
    expect(state.parameter![0]).toBeCloseTo(x, 12);
  }
});

test('a cast rounds to nearest, ties to even, and overflows to infinity', () => {
  const cast = (to: 'float16' | 'bfloat16', input: number[]) =>
    Array.from(
      reference({ op: 'cast', elements: input.length, from: 'float32', to }, { input: Float32Array.from(input) })
        .output!,
    );
  expect(cast('float16', [2049, 2051, 65519, 65520, -1e9])).toEqual([2048, 2052, 65504, Infinity, -Infinity]);
  expect(cast('bfloat16', [257, 259, 65520])).toEqual([256, 260, 65536]);
});

test.each<[Problem, string]>([
  [{ op: 'add', elements: 0 }, 'elements is 0'],
  [{ op: 'dropout', elements: 4, rate: 1 }, 'rate is 1'],
  [{ op: 'dropout', elements: 4, rate: Number.NaN }, 'rate is NaN'],
  [{ op: 'dropout', elements: 4, rate: -0.1 }, 'rate is -0.1'],
  [{ op: 'cast', elements: 4, from: 'float32', to: 'float64' as 'float16' }, "to is 'float64'"],
  [{ op: 'cast', elements: 4, from: 'int8' as 'float16', to: 'float32' }, "from is 'int8'"],
  [{ op: 'sum-of-squares', elements: 1.5 }, 'elements is 1.5'],
  [{ ...adamW, beta1: 1 }, 'beta1 is 1'],
  [{ ...adamW, beta2: -1 }, 'beta2 is -1'],
  [{ ...adamW, epsilon: -1 }, 'epsilon is -1'],
  [{ ...adamW, weightDecay: Infinity }, 'weightDecay is Infinity'],
])('%o is refused: %s', (problem, message) => {
  expect(() => validateProblem(problem)).toThrow(message);
});

test('an op works in place where it says so', () => {
  expect(inPlaceInputs({ op: 'add', elements: 1 })).toEqual({ output: ['a', 'b'] });
  expect(inPlaceInputs({ op: 'sum-of-squares', elements: 1 })).toEqual({});
});
