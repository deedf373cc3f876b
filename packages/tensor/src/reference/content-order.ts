// Reference of ops/content-order.ts: the leaves, from left to right, of a balanced kd-tree over the tokens that are present.

import type { ContentOrderProblem } from '../ops/content-order.ts';
import { presence, type Reference, type Row, range, rowsOf } from './arrays.ts';

export const contentOrder: Reference<ContentOrderProblem> = (p, { points, mask }) => {
  const { batch, heads, tokens, rank } = p;
  const order = new Int32Array(batch * heads * tokens);
  for (let entry = 0; entry < batch; entry++) {
    const present = presence(p.mask ? mask : undefined, entry, tokens);
    const absent = range(tokens).filter((token) => !present(token));
    for (let head = 0; head < heads; head++) {
      const rows = rowsOf(points, { layout: 'heads-first', heads, tokens, features: rank }, entry, head);
      const leaves = split(range(tokens).filter(present), rows, rank, p.leaf);
      order.set([...leaves, ...absent], (entry * heads + head) * tokens);
    }
  }
  return { order };
};

/** The tokens of a node (given ascending) in the order of its leaves. */
function split(tokens: readonly number[], points: readonly Row[], rank: number, leaf: number): number[] {
  if (tokens.length <= leaf) return [...tokens];
  const axis = widestAxis(tokens, points, rank);
  // Token order decides among equals.
  const sorted = tokens.toSorted((a, b) => points[a][axis] - points[b][axis] || a - b);
  const half = leftCount(tokens.length, leaf);
  const ascending = (part: readonly number[]) => part.toSorted((a, b) => a - b);
  return [
    ...split(ascending(sorted.slice(0, half)), points, rank, leaf),
    ...split(ascending(sorted.slice(half)), points, rank, leaf),
  ];
}

/** How many of the `count` > `leaf` points of a node go left: about half, and a multiple of `leaf`. */
const leftCount = (count: number, leaf: number): number => Math.ceil(Math.floor(count / 2) / leaf) * leaf;

/** The variance of `tokens` along each dimension. */
function variances(tokens: readonly number[], points: readonly Row[], rank: number): number[] {
  return range(rank).map((axis) => {
    const mean = tokens.reduce((sum, token) => sum + points[token][axis], 0) / tokens.length;
    return tokens.reduce((sum, token) => sum + (points[token][axis] - mean) ** 2, 0) / tokens.length;
  });
}

/** The first dimension of largest variance. */
function widestAxis(tokens: readonly number[], points: readonly Row[], rank: number): number {
  const spread = variances(tokens, points, rank);
  return spread.reduce((best, variance, axis) => (variance > spread[best] ? axis : best), 0);
}
