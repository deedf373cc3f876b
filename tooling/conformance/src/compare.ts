// What 'equal' means: results against float64 references.

import {
  floatDTypeOf,
  type NumberArray,
  outputSpecs,
  type Problem,
  reference,
  roundingTo,
  type TypedArray,
} from '@flashmla/tensor';
import type { Inputs, Outputs } from './case.ts';
import { compareHalf } from './compare-half.ts';

export interface Tolerance {
  /** An element passes when it is this close, … */
  readonly absolute: number;
  /** … or this close in relation to the expected value. */
  readonly relative: number;
  /** Most that 1 − cosine of all finite elements may be. */
  readonly cosine: number;
}

export const float32Tolerance: Tolerance = { absolute: 1e-5, relative: 1e-4, cosine: 1e-9 };

/** Raises unless `actual` is `expected`: floats within `tolerance`, NaN and infinities in place, integers equal. */
export function compare(
  name: string,
  actual: NumberArray,
  expected: NumberArray,
  tolerance: Tolerance = float32Tolerance,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${name} has ${actual.length} elements, expected ${expected.length}`);
  }
  const { absolute, relative } = tolerance;
  const exact = expected instanceof Int32Array || expected instanceof Uint8Array;
  let wrong = 0;
  let first = -1;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Object.is(a, e) || a === e) continue;
    const difference = Math.abs(a - e);
    if (!exact && (difference <= absolute || difference <= relative * Math.abs(e)) && Number.isFinite(e)) continue;
    if (wrong++ === 0) first = i;
    if (difference > worst) worst = difference;
  }
  if (wrong > 0) {
    throw new Error(
      `${name}: ${wrong} of ${expected.length} elements are wrong, first at ${first}: ` +
        `${actual[first]} instead of ${expected[first]}; largest finite difference ${worst.toExponential(2)}`,
    );
  }
  const difference = exact ? 0 : cosineDifference(actual, expected);
  if (difference > tolerance.cosine) {
    throw new Error(
      `${name}: cosine difference ${difference.toExponential(2)}, expected at most ${tolerance.cosine.toExponential(0)}`,
    );
  }
}

/** 1 − cosine of the angle between the finite elements of both. */
function cosineDifference(actual: NumberArray, expected: NumberArray): number {
  let [product, squaresOfActual, squaresOfExpected] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (!Number.isFinite(a) || !Number.isFinite(e)) continue;
    product += a * e;
    squaresOfActual += a * a;
    squaresOfExpected += e * e;
  }
  // Below float32's noise a direction means nothing; the elements have been compared already.
  if (squaresOfActual < 1e-20 || squaresOfExpected < 1e-20) return 0;
  return 1 - product / Math.sqrt(squaresOfActual * squaresOfExpected);
}

/** Of gradients: sums of many terms of either sign, of which little may be left. */
const gradientTolerance: Tolerance = { absolute: 2e-5, relative: 1e-3, cosine: 1e-9 };

/** `compute`, once for the same inputs: where a case runs on several backends, its references take longest. */
function once<Result extends object>(compute: (inputs: Inputs) => Result): (inputs: Inputs) => Result {
  const known = new WeakMap<Inputs, Result>();
  return (inputs) => {
    const result = known.get(inputs) ?? compute(inputs);
    known.set(inputs, result);
    return result;
  };
}

/** Raises unless both hold the same bits. A test runner's own equality takes seconds for a million elements. */
export function compareBits(name: string, actual: TypedArray, expected: TypedArray): void {
  const [is, was] = [actual, expected].map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  ) as [Uint8Array, Uint8Array];
  if (is.length !== was.length) throw new Error(`${name} has ${is.length} bytes, expected ${was.length}`);
  const byte = was.findIndex((bits, i) => is[i] !== bits);
  if (byte < 0) return;
  const at = Math.floor(byte / expected.BYTES_PER_ELEMENT);
  throw new Error(`${name}: [${at}] is ${actual[at]}, expected ${expected[at]}, bit for bit`);
}

/** The usual check of a gradient op, which is float32. */
export function gradientsMatch(problem: Problem) {
  const expectedOf = once((inputs) => reference(problem, inputs));
  return (outputs: Outputs, inputs: Inputs): void => {
    for (const [name, expected] of Object.entries(expectedOf(inputs))) {
      compare(name, outputs[name]!, expected, gradientTolerance);
    }
  };
}

/**
 * The usual check: every output against the op's reference; in half precision, by how far a naive computation in half
 * precision is from it.
 */
export function matchesReference(problem: Problem) {
  const dtype = floatDTypeOf(problem);
  const half = dtype !== 'float32';
  const expectedOf = once((inputs) => reference(problem, inputs));
  const naiveOf = once((inputs) => (half ? reference(problem, inputs, roundingTo(dtype)) : {}));
  return (outputs: Outputs, inputs: Inputs): void => {
    const naive = naiveOf(inputs);
    const specs = outputSpecs(problem);
    for (const [name, expected] of Object.entries(expectedOf(inputs))) {
      if (half) compareHalf(name, outputs[name]!, expected, naive[name]!, specs[name]!);
      else compare(name, outputs[name]!, expected);
    }
  };
}
