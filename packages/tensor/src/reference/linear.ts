// Reference of ops/linear.ts: output = activation(input · weightᵀ + bias).

import type { LinearProblem } from '../ops/linear.ts';
import { activations } from './activations.ts';
import type { NumberArray, Reference } from './arrays.ts';

export const linear: Reference<LinearProblem> = (p, inputs, stored) => {
  const { bias } = inputs;
  const [input, weight] = p.quantization
    ? [quantized(inputs.input, p.inFeatures), quantized(inputs.weight, p.inFeatures)]
    : [inputs.input, inputs.weight];
  const output = new Float64Array(p.rows * p.outFeatures);
  const activate = activations[p.activation].value;
  for (let row = 0; row < p.rows; row++) {
    for (let out = 0; out < p.outFeatures; out++) {
      let sum = 0;
      for (let i = 0; i < p.inFeatures; i++) sum += input[row * p.inFeatures + i] * weight[out * p.inFeatures + i];
      const product = p.bias ? stored(stored(sum) + bias[out]) : stored(sum);
      output[row * p.outFeatures + out] = stored(activate(product));
    }
  }
  return { output };
};

/** What is left of rows of `width` numbers that were brought to int8 and back. */
function quantized(rows: NumberArray, width: number): Float64Array {
  const result = new Float64Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    const row = Array.from(rows.subarray(start, start + width));
    const scale = row.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0) / 127;
    result.set(
      row.map((x) => (scale === 0 ? 0 : roundToEven(x / scale) * scale)),
      start,
    );
  }
  return result;
}

function roundToEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
