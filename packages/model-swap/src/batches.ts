// Texts of different lengths in few, well-filled batches: padded, or packed where a model takes texts without padding.

/**
 * Texts of a batch in tokens, padding included: enough rows to keep every core at work, few enough that a batch's
 * activations stay small beside the weights. A longer text is a batch of its own.
 */
const BATCH_TOKENS = 4096;

/**
 * What a batch costs beside its tokens, counted in tokens: dispatching it, threads that wake up and wait for each other.
 * Padding is taken where it costs less than one batch more.
 */
const BATCH_COST = 48;

/**
 * Gates choose by length: k at 128 and 512 tokens, lists in two levels above 1024, the shape of lists by powers of two.
 * Only texts of one class share a batch, so that a text gets the same choice alone and in company.
 */
const lengthClass = (tokens: number) => Math.ceil(Math.log2(Math.max(128, tokens)));

/**
 * The texts of each batch, by number, longest first; `lengths` are their tokens. Of all ways to cut the texts, in the order
 * of their lengths, into batches, the one with the least padded tokens and batches.
 */
export function planBatches(lengths: readonly number[]): number[][] {
  const order = byLength(lengths);
  const sorted = order.map((text) => lengths[text]!);
  /** The least cost of the first n texts, and where the last of their batches begins. */
  const cost = new Float64Array(sorted.length + 1);
  const begin = new Int32Array(sorted.length + 1);
  for (let end = 1; end <= sorted.length; end++) {
    cost[end] = Number.POSITIVE_INFINITY;
    for (let start = end - 1; start >= 0; start--) {
      const longest = sorted[start]!;
      const padded = longest * (end - start);
      const fits = padded <= BATCH_TOKENS && lengthClass(sorted[end - 1]!) === lengthClass(longest);
      if (!fits && start < end - 1) break;
      const total = cost[start]! + padded + BATCH_COST;
      if (total >= cost[end]!) continue;
      cost[end] = total;
      begin[end] = start;
    }
  }
  const batches: number[][] = [];
  for (let end = sorted.length; end > 0; end = begin[end]!) batches.unshift(order.slice(begin[end], end));
  return batches;
}

/** The same for texts that are not padded: as many as fit, longest first, so that those of one length lie together. */
export function planPacked(lengths: readonly number[]): number[][] {
  const batches: number[][] = [];
  let free = 0;
  for (const text of byLength(lengths)) {
    const tokens = lengths[text]!;
    if (tokens > free) {
      batches.push([]);
      free = Math.max(BATCH_TOKENS, tokens);
    }
    batches.at(-1)!.push(text);
    free -= tokens;
  }
  return batches;
}

/** Numbers of the texts, longest first. */
const byLength = (lengths: readonly number[]) =>
  lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
