// The batches of an epoch: texts of about the same length together, in an order that only the seed and the epoch decide, so
// that who goes on with an interrupted training finds the same.

import { randomSource, shuffled } from '@flashmla/tensor';

/** Batches within which texts are sorted by length: enough for little padding, few enough to mix lengths over an epoch. */
const bucketBatches = 64;

/**
 * @param lengths tokens of each example
 * @param batchTokens most tokens of a batch, padding included; a longer text is a batch of its own
 * @returns the examples of each batch, by number; every example is in one
 */
export function epochBatches(
  lengths: ArrayLike<number>,
  { batchTokens, seed, epoch }: { batchTokens: number; seed: number; epoch: number },
): number[][] {
  const random = randomSource(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(epoch + 1, 0x85ebca6b));
  const order = shuffled(
    Array.from(lengths, (_, example) => example),
    random,
  );
  const batches: number[][] = [];
  let bucket: number[] = [];
  let bucketTokens = 0;
  const close = () => {
    batches.push(
      ...cut(
        bucket.sort((a, b) => lengths[b]! - lengths[a]!),
        lengths,
        batchTokens,
      ),
    );
    bucket = [];
    bucketTokens = 0;
  };
  for (const example of order) {
    bucket.push(example);
    bucketTokens += lengths[example]!;
    if (bucketTokens >= bucketBatches * batchTokens) close();
  }
  close();
  return shuffled(batches, random);
}

/** Batches of `sorted`, the longest first. */
function cut(sorted: readonly number[], lengths: ArrayLike<number>, batchTokens: number): number[][] {
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const example of sorted) {
    const longest = lengths[batch[0] ?? example]!;
    if (batch.length > 0 && longest * (batch.length + 1) > batchTokens) {
      batches.push(batch);
      batch = [];
    }
    batch.push(example);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
