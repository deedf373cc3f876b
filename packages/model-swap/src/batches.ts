// Texts of different lengths in few, well-filled batches.

/**
 * Texts of a batch in tokens, padding included: enough rows to keep every core at work, few enough that a batch's
 * activations stay small beside the weights. A longer text is a batch of its own.
 */
const BATCH_TOKENS = 4096;

/** Largest share of a batch that may be padding: what padding wastes must stay below what batching gains. */
const MAX_PADDING = 0.12;

/**
 * Gates choose by length: k at 128 and 512 tokens, lists in two levels above 1024, the shape of lists by powers of two.
 * Only texts of one class share a batch, so that a text gets the same choice alone and in company.
 */
const lengthClass = (tokens: number) => Math.ceil(Math.log2(Math.max(128, tokens)));

/** The texts of each batch, by number, longest first; `lengths` are their tokens. */
export function planBatches(lengths: readonly number[]): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const batches: number[][] = [];
  let present = 0;
  for (const text of order) {
    const tokens = lengths[text]!;
    const batch = batches.at(-1);
    const longest = batch ? lengths[batch[0]!]! : 0;
    const padded = batch ? longest * (batch.length + 1) : 0;
    const joins =
      batch !== undefined &&
      padded <= BATCH_TOKENS &&
      present + tokens >= (1 - MAX_PADDING) * padded &&
      lengthClass(tokens) === lengthClass(longest);
    if (joins) {
      batch.push(text);
      present += tokens;
    } else {
      batches.push([text]);
      present = tokens;
    }
  }
  return batches;
}
