// Float64 references: what each op means, written to be read against its declaration in ops/ and the paper named there.
// They are the yardstick of the conformance suite, not a backend: no speed, no memory accounting, no rounding to float32.

import { arrayOf, type DType, isFloatDType, type TypedArray } from '../dtype.ts';
import { FlashMLAError } from '../errors.ts';
import { toFloat32 } from '../half.ts';
import { inputSpecs, type OpName, type Problem, type ProblemOf, validateProblem } from '../ops/index.ts';
import { elementCount } from '../shape.ts';
import { activation } from './activation.ts';
import { activationGradient } from './activation-gradient.ts';
import { adamW } from './adam-w.ts';
import { add } from './add.ts';
import type { NumberArray, Reference, Rounding } from './arrays.ts';
import { blockPool } from './block-pool.ts';
import { cast } from './cast.ts';
import { contentOrder } from './content-order.ts';
import { crossEntropy } from './cross-entropy.ts';
import { denseAttention } from './dense-attention.ts';
import { denseAttentionGradient } from './dense-attention-gradient.ts';
import { dropout } from './dropout.ts';
import { embedding } from './embedding.ts';
import { embeddingGradient } from './embedding-gradient.ts';
import { gateProjection } from './gate-projection.ts';
import { layerNorm } from './layer-norm.ts';
import { layerNormGradient } from './layer-norm-gradient.ts';
import { linear } from './linear.ts';
import { linearGradient } from './linear-gradient.ts';
import { selectSlots } from './select-slots.ts';
import { selectTopK } from './select-top-k.ts';
import { sparseAttention } from './sparse-attention.ts';
import { sparseAttentionGradient } from './sparse-attention-gradient.ts';
import { sumOfSquares } from './sum-of-squares.ts';

export type { NumberArray, Rounding } from './arrays.ts';

const references: { readonly [Name in OpName]: Reference<ProblemOf<Name>> } = {
  linear,
  'layer-norm': layerNorm,
  embedding,
  'dense-attention': denseAttention,
  'sparse-attention': sparseAttention,
  'gate-projection': gateProjection,
  'content-order': contentOrder,
  'select-top-k': selectTopK,
  'select-slots': selectSlots,
  'block-pool': blockPool,
  'linear-gradient': linearGradient,
  'layer-norm-gradient': layerNormGradient,
  'dense-attention-gradient': denseAttentionGradient,
  'sparse-attention-gradient': sparseAttentionGradient,
  'cross-entropy': crossEntropy,
  'embedding-gradient': embeddingGradient,
  activation,
  'activation-gradient': activationGradient,
  add,
  dropout,
  cast,
  'sum-of-squares': sumOfSquares,
  'adam-w': adamW,
};

/**
 * The outputs of `problem` by its definition, in float64.
 *
 * @param inputs arrays by the names and shapes that `inputSpecs(problem)` gives; numbers in a Float32Array or a
 * Float64Array may stand for floats of any precision
 * @param stored rounds what a plain computation keeps in memory: with `roundingTo('float16')`, what a naive one in float16
 * gives, which other errors can be compared with. Default: nothing is rounded
 * @returns arrays by the names that `outputSpecs(problem)` gives: Float64Array for floats, Int32Array, Uint8Array
 * @throws FlashMLAError for a problem that makes no sense, or an input that is missing or of another size or type
 */
export function reference(
  problem: Problem,
  inputs: Readonly<Record<string, TypedArray>>,
  stored: Rounding = (value) => value,
): Record<string, NumberArray> {
  validateProblem(problem);
  const checked: Record<string, NumberArray> = {};
  for (const [name, spec] of Object.entries(inputSpecs(problem))) {
    const given = inputs[name];
    const expected = elementCount(spec.shape);
    const numbers = numbersOf(given, spec.dtype);
    if (numbers?.length !== expected) {
      const what = given ? `${given.length} elements in a ${given.constructor.name}` : 'nothing';
      throw new FlashMLAError(
        'invalid-argument',
        `[tensor] reference of ${problem.op}: input '${name}' is ${what}; expected ${expected} elements of ${spec.dtype}.`,
      );
    }
    checked[name] = numbers;
  }
  const compute = references[problem.op] as Reference<Problem>;
  return compute(problem, checked, stored);
}

/** What `given` holds of `dtype`, floats in float64; undefined when it can't. */
function numbersOf(given: TypedArray | undefined, dtype: DType): NumberArray | undefined {
  if (dtype === 'int32') return given instanceof Int32Array ? given : undefined;
  if (dtype === 'uint8') return given instanceof Uint8Array ? given : undefined;
  if (given instanceof Float64Array) return given;
  if (given instanceof Float32Array) return new Float64Array(given);
  const areBits = isFloatDType(dtype) && given instanceof arrayOf(dtype);
  return areBits ? new Float64Array(toFloat32(given, dtype)) : undefined;
}
