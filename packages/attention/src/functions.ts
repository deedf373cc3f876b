// The public attention functions: heads-first tensors from anywhere, checked, brought to the device, run, and everything
// but the results given back.

import {
  asUint8,
  type Backend,
  checkSelection,
  type DeviceTensor,
  execute,
  HostTensor,
  recoverFor,
  type Selection,
  type Tensor,
  tensor,
  validateProblem,
} from '@flashmla/tensor';
import { type AttentionInputs, dimensionsOf } from './attention-inputs.ts';
import { checkConventions, type FlashMlaConventions, withLengths, withSink } from './flashmla-conventions.ts';
import { type AttentionProblem, padHeadDim, planOf, resizeRows, supportedHeadDim } from './head-dim.ts';
import { Scope } from './scope.ts';
import { selectionInputs, sparseProblem } from './selection-inputs.ts';

export interface AttentionResult {
  /** Of query's dtype [batch, heads, queries, headDim] on the device; the caller disposes it. */
  output: DeviceTensor;
  /** float32 [batch, heads, queries]: natural logarithm of Σ exp(logit); −Infinity for a query without keys. The caller disposes it. */
  lse: DeviceTensor;
}

/**
 * softmax(scale · query · keyᵀ) · value over the keys that are present. Never holds the queries × keys scores.
 *
 * Host tensors are uploaded for the call. A headDim that the backend's kernels don't take is padded with zeros when
 * query, key and value are host tensors, at the price of a readback; device tensors are refused with advice. float16 and
 * bfloat16 take a backend whose device.features name them; sums are float32 all the same.
 *
 * @throws FlashMLAError 'invalid-argument' for shapes or dtypes that don't fit, 'unsupported' for what the backend
 * refuses; OutOfMemoryError; the signal's reason
 */
export async function denseAttention(backend: Backend, inputs: AttentionInputs): Promise<AttentionResult> {
  return attend(backend, { op: 'dense-attention', ...dimensionsOf(inputs) }, inputs, {});
}

/**
 * The same over the keys that `selection` lists for each query, and one stand-in key for each residual group of keys that
 * it does not list (see the op `sparse-attention` in @flashmla/tensor for the formula); lse counts the groups too.
 *
 * @param inputs `selection` must be made for these sizes; its tensors may lie on the host, and stay the caller's, as
 * `topkLength` and `attnSink` do
 * @throws as denseAttention
 */
export async function sparseAttention(
  backend: Backend,
  inputs: AttentionInputs & FlashMlaConventions & { selection: Selection },
): Promise<AttentionResult> {
  const { selection, topkLength, attnSink } = inputs;
  const dimensions = dimensionsOf(inputs);
  checkSelection(selection, dimensions);
  checkConventions(inputs, selection);
  const indices = topkLength ? await withLengths(selection.indices, topkLength) : selection.indices;
  const problem = sparseProblem(dimensions, selection);
  const result = await attend(backend, problem, inputs, { ...selectionInputs(selection), indices });
  return attnSink ? withSink(result, attnSink) : result;
}

async function attend(
  backend: Backend,
  given: AttentionProblem,
  inputs: AttentionInputs,
  lists: Readonly<Record<string, Tensor>>,
): Promise<AttentionResult> {
  const { signal, keyMask } = inputs;
  signal?.throwIfAborted();
  validateProblem(given);
  await recoverFor(backend, inputs.query, inputs.key, inputs.value);
  const problem = { ...given, headDim: supportedHeadDim(backend, given) };
  const isPadded = problem.headDim !== given.headDim;
  // Device tensors can't be padded in place: the backend's own refusal says what would do.
  if (isPadded && ![inputs.query, inputs.key, inputs.value].every((source) => source instanceof HostTensor)) {
    planOf(backend, given);
  }
  const scope = new Scope(backend);
  try {
    const tensors: Record<string, DeviceTensor> = {};
    for (const name of ['query', 'key', 'value'] as const) {
      const source = inputs[name];
      tensors[name] = scope.device(
        isPadded && source instanceof HostTensor ? padHeadDim(source, problem.headDim) : source,
      );
    }
    if (keyMask) tensors.keyMask = scope.device(asUint8(keyMask));
    for (const [name, list] of Object.entries(lists)) tensors[name] = scope.device(list);
    const outputs = await execute(backend, problem, tensors, { signal });
    const output = scope.own(outputs.output!);
    const lse = scope.own(outputs.lse!);
    const result = { output: isPadded ? scope.own(await cropped(output, given.headDim)) : output, lse };
    signal?.throwIfAborted();
    scope.keep(result.output);
    scope.keep(result.lse);
    return result;
  } finally {
    scope.dispose();
  }
}

/** A copy of `output` [..., padded headDim] that holds the first `headDim` of each row. */
async function cropped(output: DeviceTensor, headDim: number): Promise<DeviceTensor> {
  const shape = [...output.shape.slice(0, -1), headDim];
  const rows = resizeRows(await output.data(), output.shape.at(-1)!, headDim, output.dtype);
  return output.backend.upload(tensor(rows, shape, output.dtype));
}
