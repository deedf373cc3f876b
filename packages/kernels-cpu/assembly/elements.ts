// What ops on flat tensors share: a task is a piece of ELEMENTS elements; whole vectors are read past a tensor's end, and
// only what belongs to it is written.

export const ELEMENTS: i32 = 16384;

/** Writes the first `left` bytes of `x`, all 16 where there are as many or more; `left` is even. */
// @ts-ignore: decorator
@inline
export function storeFirst(to: usize, x: v128, left: usize): void {
  if (left >= 16) v128.store(to, x);
  else storePart(to, x, left);
}

function storePart(to: usize, x: v128, left: usize): void {
  let rest = x;
  let at = to;
  if (left & 8) {
    v128.store64_lane(at, rest, 0);
    rest = i8x16.shuffle(rest, rest, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    at += 8;
  }
  if (left & 4) {
    v128.store32_lane(at, rest, 0);
    rest = i8x16.shuffle(rest, rest, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    at += 4;
  }
  if (left & 2) v128.store16_lane(at, rest, 0);
}
