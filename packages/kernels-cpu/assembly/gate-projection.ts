// gate-projection: output[b, h, t] = input[b, h, t] · map[h]
//
// The map [features][rank] is cut to panels of 8 ranks in scratch (once a task), the tokens go by four at a time.

import { tile4x8 } from './micro';
import { packRows4 } from './pack';

const TOKENS: i32 = 256;

/**
 * args: input, map, output, heads, tokens, features, rank, batchStride, headStride, tokenStride (bytes); a task is 256
 * tokens of a head
 * scratch, f32: 4·features + 32 + features·8·⌈rank/8⌉
 */
export function gateProjection(args: usize, task: i32, scratch: usize): void {
  const heads = load<i32>(args, 12);
  const tokens = load<i32>(args, 16);
  const features = load<i32>(args, 20);
  const rank = load<i32>(args, 24);
  const chunks = (tokens + TOKENS - 1) / TOKENS;
  const batchHead = task / chunks;
  const start = (task % chunks) * TOKENS;
  const end = min(start + TOKENS, tokens);
  const head = batchHead % heads;
  const rows =
    <usize>load<u32>(args) +
    (<usize>(batchHead / heads)) * load<u32>(args, 28) +
    (<usize>head) * load<u32>(args, 32);
  const stride = <usize>load<u32>(args, 36);
  const map = <usize>load<u32>(args, 4) + (<usize>head) * features * (rank << 2);
  const output = <usize>load<u32>(args, 8) + (<usize>batchHead) * tokens * (rank << 2);
  const cell = scratch;
  const packed = scratch + 128;
  const panels = packed + ((<usize>features) << 4);

  for (let column = 0; column < rank; column += 8) {
    const width = min(8, rank - column) << 2;
    for (let feature = 0; feature < features; feature++) {
      const to = panels + (((<usize>(column >> 3)) * features + feature) << 5);
      memory.fill(to, 0, 32);
      memory.copy(to, map + (((<usize>feature) * rank + column) << 2), width);
    }
  }
  for (let token = start; token < end; token += 4) {
    const r0 = rows + (<usize>token) * stride;
    const left = min(4, end - token);
    packRows4(
      r0,
      left > 1 ? r0 + stride : 0,
      left > 2 ? r0 + 2 * stride : 0,
      left > 3 ? r0 + 3 * stride : 0,
      features,
      packed,
      16,
      1,
    );
    for (let column = 0; column < rank; column += 8) {
      tile4x8(packed, 16, panels + (((<usize>(column >> 3)) * features) << 5), features, cell, 32, false);
      const width = min(8, rank - column) << 2;
      for (let r = 0; r < left; r++) {
        const to = output + (((<usize>(token + r)) * rank + column) << 2);
        const from = cell + (r << 5);
        if (width == 32) {
          v128.store(to, v128.load(from));
          v128.store(to, v128.load(from, 16), 16);
        } else {
          memory.copy(to, from, width);
        }
      }
    }
  }
}
