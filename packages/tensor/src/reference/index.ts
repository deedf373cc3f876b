// Float64 references: what each op means, written to be read against its declaration in ops/ and the paper named there.
// They are the yardstick of the conformance suite, not a backend: no speed, no memory accounting, no rounding to float32.

import type { TypedArray } from '../dtype.ts';
import { FlashMLAError } from '../errors.ts';
import { inputSpecs, type OpName, type Problem, type ProblemOf, validateProblem } from '../ops/index.ts';
import { elementCount } from '../shape.ts';
import type { NumberArray, Reference } from './arrays.ts';
import { blockPool } from './block-pool.ts';
import { contentOrder } from './content-order.ts';
import { denseAttention } from './dense-attention.ts';
import { embedding } from './embedding.ts';
import { gateProjection } from './gate-projection.ts';
import { layerNorm } from './layer-norm.ts';
import { linear } from './linear.ts';
import { selectSlots } from './select-slots.ts';
import { selectTopK } from './select-top-k.ts';
import { sparseAttention } from './sparse-attention.ts';

export type { NumberArray } from './arrays.ts';

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
};

/**
 * The outputs of `problem` by its definition, in float64.
 *
 * @param inputs arrays by the names and shapes that `inputSpecs(problem)` gives; float64 may stand for float32
 * @returns arrays by the names that `outputSpecs(problem)` gives: Float64Array for float32, Int32Array, Uint8Array
 * @throws FlashMLAError for a problem that makes no sense, or an input that is missing or of another size or type
 */
export function reference(problem: Problem, inputs: Readonly<Record<string, TypedArray>>): Record<string, NumberArray> {
  validateProblem(problem);
  const checked: Record<string, NumberArray> = {};
  for (const [name, spec] of Object.entries(inputSpecs(problem))) {
    const given = inputs[name];
    const expected = elementCount(spec.shape);
    if (!isNumberArray(given, spec.dtype) || given.length !== expected) {
      const what = given ? `${given.length} elements in a ${given.constructor.name}` : 'nothing';
      throw new FlashMLAError(
        'invalid-argument',
        `[tensor] reference of ${problem.op}: input '${name}' is ${what}; expected ${expected} elements of ${spec.dtype}.`,
      );
    }
    checked[name] = given instanceof Float32Array ? new Float64Array(given) : given;
  }
  const compute = references[problem.op] as Reference<Problem>;
  return compute(problem, checked);
}

function isNumberArray(given: TypedArray | undefined, dtype: string): given is NumberArray {
  if (dtype === 'float32') return given instanceof Float32Array || given instanceof Float64Array;
  return dtype === 'int32' ? given instanceof Int32Array : given instanceof Uint8Array;
}
