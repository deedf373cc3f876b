// Reference of ops/select-top-k.ts: the key blocks that score highest for each tile of queries.

import { ceilDivide } from '../ops/op.ts';
import type { SelectTopKProblem } from '../ops/select-top-k.ts';
import { type Arrays, dot, meanOf, orderOf, presence, type Reference, type Row, range, rowsOf } from './arrays.ts';

/** What decides the list of one tile. */
export interface TileScores {
  /** Score of each key block; meaningful where `allowed`. */
  readonly scores: readonly number[];
  /** Whether the block has a present key and is not wholly in the future. */
  readonly allowed: readonly boolean[];
  readonly forced: readonly boolean[];
  /** Score of each coarse group, −∞ for one that may not be chosen; empty with one level. */
  readonly coarseScores: readonly number[];
}

export const selectTopK: Reference<SelectTopKProblem> = (p, inputs) => {
  const tiles = ceilDivide(p.queries, p.tileQueries);
  const indices = new Int32Array(p.batch * p.heads * tiles * p.slots).fill(-1);
  for (const { row, tile, scores, allowed, forced, coarseScores } of tileScores(p, inputs)) {
    const blocks = range(scores.length).filter((block) => allowed[block]);
    const chosenGroups = best(range(coarseScores.length), coarseScores, p.coarseSlots);
    const reachable = (block: number) =>
      p.coarseBlocks === 0 || chosenGroups.includes(Math.floor(block / p.coarseBlocks));
    const wanted = slotsOf(p, inputs, row % p.heads);
    const first = blocks.filter((block) => forced[block]).slice(0, wanted);
    const rest = blocks.filter((block) => !forced[block] && reachable(block));
    const list = [...first, ...best(rest, scores, wanted - first.length)].sort((a, b) => a - b);
    indices.set(list, (row * tiles + tile) * p.slots);
  }
  return { indices };
};

/** Slots that a head fills. */
export const slotsOf = ({ headSlots, slots }: SelectTopKProblem, inputs: Arrays, head: number): number =>
  headSlots ? Math.min(Math.max(inputs.headSlots[head], 1), slots) : slots;

/** The `count` of `candidates` that score highest; the smaller number among equals; −∞ is never chosen. */
function best(candidates: readonly number[], scores: readonly number[], count: number): number[] {
  return candidates
    .filter((candidate) => scores[candidate] > Number.NEGATIVE_INFINITY)
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, count);
}

/** The scores of every tile of every head (`row` counts over batch and heads). */
export function* tileScores(
  p: SelectTopKProblem,
  inputs: Arrays,
): Generator<TileScores & { row: number; tile: number }> {
  const { heads, rank } = p;
  for (let row = 0; row < p.batch * heads; row++) {
    const batch = Math.floor(row / heads);
    const head = row % heads;
    const rows = (name: 'query' | 'key', tokens: number) =>
      rowsOf(inputs[name], { layout: 'heads-first', heads, tokens, features: rank }, batch, head);
    const keyRows = rows('key', p.keys);
    const queryRows = rows('query', p.queries);
    const keyAt = orderOf(p.keyOrder ? inputs.keyOrder : undefined, row, p.keys);
    const queryAt = orderOf(p.queryOrder ? inputs.queryOrder : undefined, row, p.queries);
    const keyPresent = presence(p.mask ? inputs.keyMask : undefined, batch, p.keys);
    const queryPresent = presence(p.mask ? inputs.queryMask : undefined, batch, p.queries);

    const tiles = cut(queryAt, p.tileQueries, queryPresent, queryRows, rank);
    const blocks = cut(keyAt, p.blockKeys, keyPresent, keyRows, rank);
    const groups = p.coarseBlocks > 0 ? cut(keyAt, p.coarseBlocks * p.blockKeys, keyPresent, keyRows, rank) : [];

    for (const [tile, { mean }] of tiles.entries()) {
      const lastQuery = Math.min((tile + 1) * p.tileQueries, p.queries) - 1;
      const reached = (firstKey: number) => !p.causal || firstKey <= lastQuery + (p.keys - p.queries);
      const bias = (block: number) => {
        if (p.biasSpan < 0) return 0;
        const distance = Math.min(Math.max(block - tile, -p.biasSpan), p.biasSpan);
        return inputs.relativeBias[head * (2 * p.biasSpan + 1) + distance + p.biasSpan];
      };
      yield {
        row,
        tile,
        scores: blocks.map((block, number) => dot(mean, block.mean) + bias(number)),
        allowed: blocks.map((block, number) => block.present && reached(number * p.blockKeys)),
        forced: blocks.map((_, number) => number < p.forceFirst || Math.abs(number - tile) < p.forceDiagonal),
        coarseScores: groups.map((group, number) =>
          group.present && reached(number * p.coarseBlocks * p.blockKeys)
            ? dot(mean, group.mean)
            : Number.NEGATIVE_INFINITY,
        ),
      };
    }
  }
}

/** Pieces of `size` positions of an order: whether any token of a piece is present, and the mean over those that are. */
function cut(
  order: readonly number[],
  size: number,
  isPresent: (token: number) => boolean,
  rows: readonly Row[],
  rank: number,
): { present: boolean; mean: Float64Array }[] {
  return range(ceilDivide(order.length, size)).map((piece) => {
    const tokens = order.slice(piece * size, (piece + 1) * size).filter(isPresent);
    return {
      present: tokens.length > 0,
      mean: meanOf(
        tokens.map((token) => rows[token]),
        rank,
      ),
    };
  });
}
