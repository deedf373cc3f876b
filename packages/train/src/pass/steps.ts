// The differentiable steps that encoders and their heads are made of: each an op of the contract and its gradient op, with
// sizes taken from what they are given.

import { selectionInputs, sparseProblem } from '@flashmla/attention';
import type { LinearParts, NormParts } from '@flashmla/model-swap';
import {
  type Activation,
  type AttentionDimensions,
  type DeviceTensor,
  elementCount,
  type HostTensor,
  readFloat32,
  type Selection,
  tensor,
} from '@flashmla/tensor';
import type { Parameter } from '../parameter.ts';
import type { Tape } from './tape.ts';
import type { Value } from './value.ts';

/**
 * activation(input · weightᵀ + bias), for an input [..., inFeatures].
 *
 * @param shape of the output; default: the input's, with the last axis outFeatures wide
 */
export function linear(
  tape: Tape,
  input: Value,
  { weight, bias }: LinearParts<Parameter>,
  activation: Activation = 'none',
  shape: readonly number[] = [...input.shape.slice(0, -1), weight.tensor.shape[0]!],
): Promise<Value> {
  const [outFeatures, inFeatures] = weight.tensor.shape as [number, number];
  const sizes = { rows: rowsOf(input), inFeatures, outFeatures, bias: true, activation };
  return tape.apply({ op: 'linear', ...sizes }, { input, weight, bias }, shape, { op: 'linear-gradient', ...sizes });
}

/** LayerNorm of input (+ residual), both [..., modelDim]. */
export function norm(
  tape: Tape,
  input: Value,
  { weight, bias }: NormParts<Parameter>,
  epsilon: number,
  residual?: Value,
): Promise<Value> {
  const sizes = { rows: rowsOf(input), modelDim: input.shape.at(-1)!, epsilon, residual: residual !== undefined };
  return tape.apply(
    { op: 'layer-norm', ...sizes },
    { input, weight, bias, ...(residual && { residual }) },
    input.shape,
    { op: 'layer-norm-gradient', ...sizes },
    { residual: 'input' },
  );
}

export interface EmbeddingTables {
  readonly word: Parameter; // [vocabulary, modelDim]
  readonly position: Parameter; // [positions, modelDim]
  readonly type?: Parameter; // [types, modelDim]
}

export interface EmbeddingIds {
  readonly tokenIds: HostTensor; // int32 [batch, tokens], and so are the others
  readonly positionIds: HostTensor;
  readonly typeIds?: HostTensor;
}

/** The sum of each token's rows: [batch, tokens, modelDim]. */
export function embed(tape: Tape, ids: EmbeddingIds, { word, position, type }: EmbeddingTables): Promise<Value> {
  const { shape } = ids.tokenIds;
  const [vocabulary, modelDim] = word.tensor.shape as [number, number];
  const types = type?.tensor.shape[0] ?? 0;
  const sizes = { rows: elementCount(shape), modelDim, vocabulary, positions: position.tensor.shape[0]!, types };
  const inputs = {
    ...{ tokenIds: tape.upload(ids.tokenIds), positionIds: tape.upload(ids.positionIds), word, position },
    ...(type && ids.typeIds && { typeIds: tape.upload(ids.typeIds), type }),
  };
  return tape.apply({ op: 'embedding', ...sizes }, inputs, [...shape, modelDim], {
    op: 'embedding-gradient',
    ...sizes,
  });
}

/** Rows of `input` [..., features], by number: [count, features]. */
export function gatherRows(tape: Tape, input: Value, rows: Int32Array): Promise<Value> {
  const modelDim = input.shape.at(-1)!;
  const sizes = { rows: rows.length, modelDim, vocabulary: rowsOf(input), positions: 0, types: 0 };
  const tokenIds = tape.upload(tensor(rows, [rows.length]));
  return tape.apply({ op: 'embedding', ...sizes }, { tokenIds, word: input }, [rows.length, modelDim], {
    op: 'embedding-gradient',
    ...sizes,
  });
}

export interface AttentionParts {
  readonly query: Value; // [batch, tokens, heads, headDim], as key and value
  readonly key: Value;
  readonly value: Value;
  /** uint8 [batch, tokens]; absent where all keys are present. */
  readonly keyMask?: DeviceTensor | undefined;
}

/**
 * Attention [batch, tokens, modelDim] over all keys, or over those that `selection` lists. No gradient flows to a
 * selection; the caller disposes it, but not before the backward pass.
 */
export function attend(
  tape: Tape,
  { query, key, value, keyMask }: AttentionParts,
  selection?: Selection,
): Promise<Value> {
  const [batch, tokens, heads, headDim] = query.shape as [number, number, number, number];
  const dimensions: AttentionDimensions = {
    ...{ batch, heads, queries: tokens, keys: tokens, headDim, layout: 'tokens-first' },
    ...{ scale: 1 / Math.sqrt(headDim), mask: keyMask !== undefined, causal: false },
  };
  const inputs = { query, key, value, ...(keyMask && { keyMask }) };
  const shape = [batch, tokens, heads * headDim];
  if (!selection) {
    const gradient = { ...dimensions, op: 'dense-attention-gradient' } as const;
    return tape.apply({ op: 'dense-attention', ...dimensions }, inputs, shape, gradient);
  }
  const problem = sparseProblem(dimensions, selection);
  const lists = selectionInputs(selection) as Readonly<Record<string, DeviceTensor>>;
  const gradient = { ...problem, op: 'sparse-attention-gradient' } as const;
  return tape.apply(problem, { ...inputs, ...lists }, shape, gradient);
}

/**
 * A random share `rate` of the elements becomes 0, the others grow by 1 / (1 − rate). The same seed, the same elements.
 * Takes `input` over, and its memory where nothing else needs what is in it.
 */
export async function dropout(tape: Tape, input: Value, rate: number, seed: number): Promise<Value> {
  if (rate === 0) return input;
  const problem = { op: 'dropout', elements: elementCount(input.shape), rate } as const;
  const seeds = tape.upload(tensor(Int32Array.of(seed), [1]));
  const full = await tape.float32(input);
  tape.discard(input);
  const { output: dropped } = await tape.run(
    problem,
    { input: full, seed: seeds },
    { last: ['input'], shape: input.shape },
  );
  const output = await tape.value(dropped!);
  tape.record(output, async (outputGradient) => {
    const { output: flowing } = await tape.run(
      problem,
      { input: outputGradient, seed: seeds },
      { last: ['input'], shape: input.shape },
    );
    await tape.flow(input, flowing!);
    tape.release(flowing!, seeds);
  });
  return output;
}

/**
 * The loss of each row of logits [rows, classes], float32 [rows]; what flows back is the gradient of scale · Σ loss.
 *
 * @param labels int32 [rows]; a row whose label names no class has no loss
 * @param scale of what is differentiated, e.g. 1 / labelled rows · loss scale
 */
export async function crossEntropy(
  tape: Tape,
  logits: Value,
  labels: Int32Array,
  scale: number,
): Promise<DeviceTensor> {
  const [rows, classes] = logits.shape as [number, number];
  const given = tape.upload(tensor(labels, [rows]));
  const { loss, logitsGradient } = await tape.run(
    { op: 'cross-entropy', rows, classes, scale },
    { logits, labels: given },
  );
  tape.release(given);
  tape.discard(logits);
  if (tape.differentiates) await tape.flow(logits, logitsGradient!);
  tape.release(logitsGradient!);
  return loss!;
}

/** The same of (score − target)², for logits [rows, 1]. Reads the scores back. */
export async function squaredError(
  tape: Tape,
  scores: Value,
  targets: Float32Array,
  scale: number,
): Promise<DeviceTensor> {
  const given = await readFloat32(scores.tensor);
  const differences = given.map((score, row) => score - targets[row]!);
  if (tape.differentiates) {
    const gradient = tape.upload(
      tensor(
        differences.map((difference) => 2 * scale * difference),
        scores.shape,
      ),
    );
    await tape.flow(scores, gradient);
    tape.release(gradient);
  }
  return tape.upload(
    tensor(
      differences.map((difference) => difference ** 2),
      [targets.length],
    ),
  );
}

/** Rows of the last axis. */
export const rowsOf = ({ shape }: Value) => elementCount(shape.slice(0, -1));
