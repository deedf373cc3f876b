// Attention by its textbook definition in float64, written apart from the library's own references.

export interface NaiveAttention {
  query: ArrayLike<number>;
  key: ArrayLike<number>;
  value: ArrayLike<number>;
  /** Of query [batch, heads, queries, headDim]; key and value have `keys` instead of queries. */
  shape: readonly [batch: number, heads: number, queries: number, headDim: number];
  keys: number;
  scale?: number;
  keyMask?: ArrayLike<number>;
  causal?: boolean;
  /** Of each head: a logit without a value. */
  sinks?: ArrayLike<number>;
  /** Whether the query of this head attends to this key; default: all. */
  attends?: (batch: number, head: number, query: number, key: number) => boolean;
}

export function naiveAttention(given: NaiveAttention): { output: Float64Array; lse: Float64Array } {
  const { query, key, value, keys, keyMask, causal = false, sinks, attends = () => true } = given;
  const [batch, heads, queries, headDim] = given.shape;
  const scale = given.scale ?? 1 / Math.sqrt(headDim);
  const output = new Float64Array(batch * heads * queries * headDim);
  const lse = new Float64Array(batch * heads * queries).fill(Number.NEGATIVE_INFINITY);
  for (let row = 0; row < batch * heads * queries; row++) {
    const bh = Math.floor(row / queries);
    const i = row % queries;
    const b = Math.floor(bh / heads);
    const logits: [key: number, logit: number][] = [];
    for (let j = 0; j < keys; j++) {
      if (keyMask && !keyMask[b * keys + j]) continue;
      if (causal && j > i + keys - queries) continue;
      if (!attends(b, bh % heads, i, j)) continue;
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += query[row * headDim + d]! * key[(bh * keys + j) * headDim + d]!;
      logits.push([j, scale * dot]);
    }
    if (logits.length === 0) continue;
    const sum = logits.reduce((total, [, logit]) => total + Math.exp(logit), 0);
    lse[row] = Math.log(sum);
    const all = sum + (sinks ? Math.exp(sinks[bh % heads]!) : 0);
    for (const [j, logit] of logits) {
      for (let d = 0; d < headDim; d++) {
        output[row * headDim + d]! += (Math.exp(logit) / all) * value[(bh * keys + j) * headDim + d]!;
      }
    }
  }
  return { output, lse };
}

/** y = x · weightᵀ + bias for rows of x. */
export function naiveLinear(x: ArrayLike<number>, weight: ArrayLike<number>, bias: ArrayLike<number>): Float64Array {
  const outFeatures = bias.length;
  const inFeatures = weight.length / outFeatures;
  const rows = x.length / inFeatures;
  const y = new Float64Array(rows * outFeatures);
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < outFeatures; o++) {
      let sum = bias[o]!;
      for (let i = 0; i < inFeatures; i++) sum += x[row * inFeatures + i]! * weight[o * inFeatures + i]!;
      y[row * outFeatures + o] = sum;
    }
  }
  return y;
}

/** [batch, tokens, heads, headDim] ↔ [batch, heads, tokens, headDim]: swaps the two middle axes. */
export function swapMiddle(
  x: ArrayLike<number>,
  [batch, m, n, features]: readonly [number, number, number, number],
): Float64Array {
  const y = new Float64Array(x.length);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        for (let f = 0; f < features; f++) {
          y[((b * n + j) * m + i) * features + f] = x[((b * m + i) * n + j) * features + f]!;
        }
      }
    }
  }
  return y;
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) largest = Math.max(largest, Math.abs(a[i]! - b[i]!) || Number.POSITIVE_INFINITY);
  }
  return largest;
}
