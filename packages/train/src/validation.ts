// How good a model is on examples that it does not learn from.

import type { Example } from './example.ts';
import type { Trainer } from './trainer.ts';

export interface Measures {
  /** Mean over what has a target: cross entropy in nats, or the squared error of scores. */
  readonly loss: number;
  /** Share of the classes that are right; undefined for scores. */
  readonly accuracy: number | undefined;
}

/**
 * Loss and accuracy without dropout. What a masked language model is shown is masked alike in every call.
 *
 * @param batchTokens most tokens of a batch, padding included
 */
export async function validate(
  trainer: Trainer,
  examples: readonly Example[],
  options: { batchTokens: number; isSparse: boolean; signal?: AbortSignal | undefined },
): Promise<Measures> {
  let [loss, right, rows] = [0, 0, 0];
  let isClass = false;
  for (const batch of batchesOf(examples, options.batchTokens)) {
    const { logits, targets } = await trainer.evaluate(batch, options);
    const classes = logits.length / targets.length;
    isClass = targets instanceof Int32Array;
    targets.forEach((target, row) => {
      const own = logits.subarray(row * classes, (row + 1) * classes);
      loss += isClass ? crossEntropy(own, target) : (own[0]! - target) ** 2;
      if (isClass && own.every((logit, label) => label === target || logit < own[target]!)) right++;
    });
    rows += targets.length;
  }
  return { loss: loss / rows, accuracy: isClass ? right / rows : undefined };
}

/** In batches of texts of about the same length. */
function* batchesOf(examples: readonly Example[], batchTokens: number): Generator<readonly Example[]> {
  const sorted = [...examples].sort((a, b) => b.ids.length - a.ids.length);
  for (let from = 0; from < sorted.length; ) {
    const count = Math.max(1, Math.floor(batchTokens / sorted[from]!.ids.length));
    yield sorted.slice(from, from + count);
    from += count;
  }
}

function crossEntropy(logits: Float32Array, label: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  return most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) - logits[label]!;
}
