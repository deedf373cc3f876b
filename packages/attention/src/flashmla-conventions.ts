// What DeepSeek's FlashMLA takes with its sparse attention besides indices (flash_mla_sparse_fwd,
// https://github.com/deepseek-ai/FlashMLA): how much of each list counts, and a sink for each head. Both are done on the host,
// around the op, so that every backend has them.

import {
  castTo,
  checkFloats,
  checkTensor,
  FlashMLAError,
  formatShape,
  type HostTensor,
  readFloat32,
  type Selection,
  type Tensor,
  tensor,
} from '@flashmla/tensor';
import type { AttentionResult } from './functions.ts';

export interface FlashMlaConventions {
  /**
   * int32 [batch, heads, tiles], one for each list of the selection: only so many of its first slots count; default: all. A
   * selection on the device is read back for it.
   */
  topkLength?: Tensor;
  /**
   * float32 [heads]: a logit for each head that stands in the softmax's denominator and has no value, so that output is
   * multiplied by exp(lse) / (exp(lse) + exp(attnSink)); lse is given without it. −Infinity changes nothing, Infinity makes
   * the head's output 0. The output is read back for it, and uploaded again.
   */
  attnSink?: Tensor;
}

/** Raises FlashMLAError 'invalid-argument' unless both fit the lists of `selection`. */
export function checkConventions({ topkLength, attnSink }: FlashMlaConventions, { indices }: Selection): void {
  const [batch, heads, tiles] = indices.shape as readonly [number, number, number, number];
  if (topkLength) check('topkLength', topkLength, 'int32', [batch, heads, tiles], 'a length for each list');
  if (attnSink) check('attnSink', attnSink, 'float32', [heads], 'a logit for each head');
}

function check(name: string, given: Tensor, dtype: string, shape: readonly number[], what: string): void {
  checkTensor('[attention]', name, given);
  if (given.dtype === dtype && formatShape(given.shape) === formatShape(shape)) return;
  throw new FlashMLAError(
    'invalid-argument',
    `[attention] ${name} is ${given.dtype} ${formatShape(given.shape)}; expected ${dtype} ${formatShape(shape)}, ${what}.`,
  );
}

/** `indices` [batch, heads, tiles, slots] with −1 in each list's slots from its length on. */
export async function withLengths(indices: Tensor, topkLength: Tensor): Promise<HostTensor> {
  const [entries, lengths] = await Promise.all([indices.data(), topkLength.data()]);
  const slots = indices.shape[3]!;
  const counting = Int32Array.from(entries as Int32Array, (entry, at) =>
    at % slots < Number(lengths[Math.floor(at / slots)]) ? entry : -1,
  );
  return tensor(counting, indices.shape);
}

/** The result with the sinks in its softmax; it takes the given one over. */
export async function withSink({ output, lse }: AttentionResult, attnSink: Tensor): Promise<AttentionResult> {
  try {
    const [values, sums, sinks] = await Promise.all([readFloat32(output), readFloat32(lse), readFloat32(attnSink)]);
    const [, heads, queries, headDim] = output.shape as readonly [number, number, number, number];
    const scaled = values.map((value, at) => {
      const row = Math.floor(at / headDim);
      return value * shareOfKeys(sums[row]!, sinks[Math.floor(row / queries) % heads]!);
    });
    const dtype = checkFloats('[attention]', { output });
    return { output: output.backend.upload(castTo(tensor(scaled, output.shape), dtype)), lse };
  } catch (error) {
    lse.dispose();
    throw error;
  } finally {
    output.dispose();
  }
}

/** exp(lse) / (exp(lse) + exp(sink)); 1 for a sink of −∞ also where there is no key and lse is −∞. */
const shareOfKeys = (lse: number, sink: number): number =>
  sink === Number.NEGATIVE_INFINITY ? 1 : 1 / (1 + Math.exp(sink - lse));
