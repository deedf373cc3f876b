// Reference of ops/block-pool.ts: mean, or maximum, minimum and mean, of each block's present tokens.

import type { BlockPoolProblem } from '../ops/block-pool.ts';
import { ceilDivide } from '../ops/op.ts';
import { meanOf, presence, type Reference, range, rowsOf } from './arrays.ts';

export const blockPool: Reference<BlockPoolProblem> = (p, { input, mask }) => {
  const { layout, batch, heads, tokens, features } = p;
  const blocks = ceilDivide(tokens, p.block);
  const width = p.statistics === 'mean' ? features : 3 * features;
  const pooled = new Float64Array(batch * heads * blocks * width);
  const present = new Uint8Array(batch * blocks);
  for (let entry = 0; entry < batch; entry++) {
    const isPresent = presence(p.mask ? mask : undefined, entry, tokens);
    const membersOf = (block: number) =>
      range(tokens)
        .slice(block * p.block, (block + 1) * p.block)
        .filter(isPresent);
    const members = range(blocks).map(membersOf);
    present.set(
      members.map(({ length }) => Number(length > 0)),
      entry * blocks,
    );
    for (let head = 0; head < heads; head++) {
      const rows = rowsOf(input, { layout, heads, tokens, features }, entry, head);
      for (let block = 0; block < blocks; block++) {
        if (members[block].length === 0) continue;
        const chosen = members[block].map((token) => rows[token]);
        const extreme = (pick: (...values: number[]) => number) =>
          range(features).map((i) => pick(...chosen.map((row) => row[i])));
        const mean = [...meanOf(chosen, features)];
        pooled.set(
          p.statistics === 'mean' ? mean : [...extreme(Math.max), ...extreme(Math.min), ...mean],
          ((entry * heads + head) * blocks + block) * width,
        );
      }
    }
  }
  return { pooled, present };
};
