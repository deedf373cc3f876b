// Weights in 8 bits, as onnxruntime's quantizer writes them by default (`quantize_dynamic`, onnxruntime/python/tools/
// quantization/quant_utils.py): signed, symmetric, one scale for a tensor.

export interface QuantizedWeights {
  readonly data: Int8Array;
  /** value ≈ scale · data. */
  readonly scale: number;
}

/** scale = max |w| ÷ 127 in float32, w ÷ scale rounded to the nearest, halves to even. */
export function quantize(weights: Float32Array): QuantizedWeights {
  const largest = weights.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = largest === 0 ? 1 : Math.fround(largest / 127);
  const data = Int8Array.from(weights, (value) => roundHalfToEven(Math.fround(value / scale)));
  return { data, scale };
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
