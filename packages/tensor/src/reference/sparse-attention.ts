// Reference of ops/sparse-attention.ts: every query attends to the keys its tile selected and to a mean key for each
// residual group's present keys that the tile did not select.

import { ceilDivide } from '../ops/op.ts';
import type { SparseAttentionProblem } from '../ops/sparse-attention.ts';
import { type Arrays, meanOf, orderOf, type Reference, type Rounding, range } from './arrays.ts';
import { attention, type Candidate, type CandidatesOf } from './attention.ts';

/** What each query attends to by the selection. */
export const selectedKeys = (p: SparseAttentionProblem, inputs: Arrays, stored: Rounding): CandidatesOf => {
  const tiles = ceilDivide(p.queries, p.tileQueries);
  return ({ row, keys, present, visible }) => {
    const keyAt = orderOf(p.keyOrder ? inputs.keyOrder : undefined, row, p.keys);
    const queryAt = orderOf(p.queryOrder ? inputs.queryOrder : undefined, row, p.queries);

    const tileOf = new Int32Array(p.queries);
    for (const [position, query] of queryAt.entries()) tileOf[query] = Math.floor(position / p.tileQueries);

    const selectedBy = (tile: number): boolean[] => {
      const selected = new Array<boolean>(p.keys).fill(false); // by position of the key order
      const start = (row * tiles + tile) * p.slots;
      for (const block of inputs.indices.subarray(start, start + p.slots)) {
        if (block < 0) continue;
        const end = Math.min((block + 1) * p.blockKeys, p.keys);
        for (let position = block * p.blockKeys; position < end; position++) selected[position] = true;
      }
      return selected;
    };

    const groupsLeftBy = (selected: readonly boolean[]): Candidate[] => {
      if (p.residualGroup === 0) return [];
      return range(ceilDivide(p.keys, p.residualGroup)).flatMap((group) => {
        const start = group * p.residualGroup;
        const left = keyAt
          .slice(start, start + p.residualGroup)
          .filter((key, i) => !selected[start + i] && present(key));
        if (left.length === 0) return [];
        const mean = (part: 'key' | 'value') =>
          meanOf(
            left.map((key) => keys[key][part]),
            p.headDim,
          ).map(stored);
        return [{ key: mean('key'), value: mean('value'), members: left }];
      });
    };

    const tilesCandidates = range(tiles).map((tile) => {
      const selected = selectedBy(tile);
      return { keys: keyAt.filter((_, position) => selected[position]), groups: groupsLeftBy(selected) };
    });
    return (query) => {
      const tile = tilesCandidates[tileOf[query]];
      const seen = tile.keys.filter((key) => visible(query, key)).map((key) => keys[key]);
      return [...seen, ...tile.groups];
    };
  };
};

export const sparseAttention: Reference<SparseAttentionProblem> = (p, inputs, stored) =>
  attention(p, inputs, stored, selectedKeys(p, inputs, stored));
