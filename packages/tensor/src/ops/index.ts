// All ops there are. Adding one: its file beside this one, a line in each of the two lists below, its float64 reference
// (../reference/), its cases in the conformance suite, and a file of the same name in each backend that does it.

import { type FloatDType, floatDTypes, type Precision } from '../dtype.ts';
import { FlashMLAError } from '../errors.ts';
import { type ActivationProblem, activation } from './activation.ts';
import { type ActivationGradientProblem, activationGradient } from './activation-gradient.ts';
import { type AdamWProblem, adamW } from './adam-w.ts';
import { type AddProblem, add } from './add.ts';
import { type BlockPoolProblem, blockPool } from './block-pool.ts';
import { type CastProblem, cast } from './cast.ts';
import { type ContentOrderProblem, contentOrder } from './content-order.ts';
import { type CrossEntropyProblem, crossEntropy } from './cross-entropy.ts';
import { type DenseAttentionProblem, denseAttention } from './dense-attention.ts';
import { type DenseAttentionGradientProblem, denseAttentionGradient } from './dense-attention-gradient.ts';
import { type DropoutProblem, dropout } from './dropout.ts';
import { type EmbeddingProblem, embedding } from './embedding.ts';
import { type EmbeddingGradientProblem, embeddingGradient } from './embedding-gradient.ts';
import { type GateProjectionProblem, gateProjection } from './gate-projection.ts';
import { type LayerNormProblem, layerNorm } from './layer-norm.ts';
import { type LayerNormGradientProblem, layerNormGradient } from './layer-norm-gradient.ts';
import { type LinearProblem, linear } from './linear.ts';
import { type LinearGradientProblem, linearGradient } from './linear-gradient.ts';
import { type Cost, type InPlace, type Op, specBytes, type TensorSpecs } from './op.ts';
import { type SelectSlotsProblem, selectSlots } from './select-slots.ts';
import { type SelectTopKProblem, selectTopK } from './select-top-k.ts';
import { type SparseAttentionProblem, sparseAttention } from './sparse-attention.ts';
import { type SparseAttentionGradientProblem, sparseAttentionGradient } from './sparse-attention-gradient.ts';
import { type SumOfSquaresProblem, sumOfSquares } from './sum-of-squares.ts';

/** What inference needs: every backend has a kernel for each. */
export type InferenceProblem =
  | LinearProblem
  | LayerNormProblem
  | EmbeddingProblem
  | DenseAttentionProblem
  | SparseAttentionProblem
  | GateProjectionProblem
  | ContentOrderProblem
  | SelectTopKProblem
  | SelectSlotsProblem
  | BlockPoolProblem;

/** What training needs besides: a backend may refuse them, see `refusesOp`. */
export type TrainingProblem =
  | LinearGradientProblem
  | LayerNormGradientProblem
  | DenseAttentionGradientProblem
  | SparseAttentionGradientProblem
  | CrossEntropyProblem
  | EmbeddingGradientProblem
  | ActivationProblem
  | ActivationGradientProblem
  | AddProblem
  | DropoutProblem
  | CastProblem
  | SumOfSquaresProblem
  | AdamWProblem;

export type Problem = InferenceProblem | TrainingProblem;

export type InferenceOpName = InferenceProblem['op'];
export type TrainingOpName = TrainingProblem['op'];
export type OpName = Problem['op'];
export type ProblemOf<Name extends OpName> = Extract<Problem, { op: Name }>;

const trainingOps: { readonly [Name in TrainingOpName]: Op<ProblemOf<Name>> } = {
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

const ops: { readonly [Name in OpName]: Op<ProblemOf<Name>> } = {
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
  ...trainingOps,
};

export const opNames = Object.keys(ops) as OpName[];
export const trainingOpNames = Object.keys(trainingOps) as TrainingOpName[];

const declaration = (problem: Problem) => ops[problem.op] as Op<Problem>;

/** Raises FlashMLAError when the problem's own numbers make no sense, or its dtype is none that ops have. */
export function validateProblem(problem: Problem): void {
  const dtype = floatDTypeOf(problem);
  if (!floatDTypes.includes(dtype)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] ${problem.op}: dtype is '${dtype}'; expected one of ${floatDTypes.join(', ')}. Leave it out for float32.`,
    );
  }
  declaration(problem).validate(problem);
}

/** The precision that a problem asks for; float32 for one that names none. */
export function floatDTypeOf(problem: Problem): FloatDType {
  return ('dtype' in problem ? problem.dtype : undefined) ?? 'float32';
}

/** What a problem is computed in. */
export const precisionOf = (problem: Problem): Precision =>
  ('quantization' in problem ? problem.quantization : undefined) ?? floatDTypeOf(problem);

/** Names, shapes and dtypes of what the op takes; what a problem leaves out is not listed. */
export const inputSpecs = (problem: Problem): TensorSpecs => declaration(problem).inputs(problem);

/** Names, shapes and dtypes of what the op gives. */
export const outputSpecs = (problem: Problem): TensorSpecs => declaration(problem).outputs(problem);

/** For each output that may be bound to the tensor of an input, the names of those inputs: the op then works in place. */
export const inPlaceInputs = (problem: Problem): InPlace => declaration(problem).inPlace ?? {};

/** What the op costs by its definition, whatever the kernel. */
export const costOf = (problem: Problem): Cost => ({
  flops: declaration(problem).flops(problem),
  bytes:
    (declaration(problem).readBytes?.(problem) ?? specBytes(inputSpecs(problem))) + specBytes(outputSpecs(problem)),
});

/** Equal problems have equal keys, a dtype left out and 'float32' too: what programs are cached by. */
export const problemKey = (problem: Problem): string => keyOf(problem, (_, value) => value);

/** How much there is of what an op runs over; what is not named here is of the model or the method. */
const lengths: ReadonlySet<string> = new Set(['batch', 'rows', 'tokens', 'queries', 'keys', 'elements']);

/**
 * Problems have equal classes that differ only in their lengths, and there by less than a factor of √2 from the same power
 * of two: what measurements of variants are cached by.
 */
export const shapeClass = (problem: Problem): string =>
  keyOf(problem, (name, value) =>
    lengths.has(name) && Number(value) > 0 ? 2 ** Math.round(Math.log2(Number(value))) : value,
  );

function keyOf(problem: Problem, change: (name: string, value: unknown) => unknown): string {
  return Object.entries({ ...problem, dtype: floatDTypeOf(problem) })
    .map(([name, value]) => [name, change(name, value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
