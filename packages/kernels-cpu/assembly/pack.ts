// Turning rows into the depth-major operands of micro.ts.

/**
 * out[feature][4] from four rows of `features` f32, scaled; a row pointer of 0 stands for zeros.
 * Rows are read four features at a time and transposed in registers.
 *
 * @param strideOut bytes from one feature to the next: 16, or 32 to fill one half of an [features][8] operand
 */
export function packRows4(
  r0: usize,
  r1: usize,
  r2: usize,
  r3: usize,
  features: i32,
  out: usize,
  strideOut: usize,
  scale: f32,
): void {
  let i: usize = 0;
  const bytes = (<usize>features) << 2;
  if (r0 && r1 && r2 && r3) {
    const factor = f32x4.splat(scale);
    const whole = bytes & ~15;
    for (; i < whole; i += 16) {
      const a = f32x4.mul(v128.load(r0 + i), factor);
      const b = f32x4.mul(v128.load(r1 + i), factor);
      const c = f32x4.mul(v128.load(r2 + i), factor);
      const d = f32x4.mul(v128.load(r3 + i), factor);
      const ab0 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const ab1 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      const cd0 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const cd1 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      v128.store(out, i8x16.shuffle(ab0, cd0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
      out += strideOut;
      v128.store(out, i8x16.shuffle(ab0, cd0, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
      out += strideOut;
      v128.store(out, i8x16.shuffle(ab1, cd1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
      out += strideOut;
      v128.store(out, i8x16.shuffle(ab1, cd1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
      out += strideOut;
    }
  }
  for (; i < bytes; i += 4) {
    store<f32>(out, r0 ? load<f32>(r0 + i) * scale : 0);
    store<f32>(out, r1 ? load<f32>(r1 + i) * scale : 0, 4);
    store<f32>(out, r2 ? load<f32>(r2 + i) * scale : 0, 8);
    store<f32>(out, r3 ? load<f32>(r3 + i) * scale : 0, 12);
    out += strideOut;
  }
}

/**
 * out[feature][2] from two rows of `features` f32: what packRows4 leaves room for in an [features][6] operand.
 *
 * @param strideOut bytes from one feature to the next
 */
export function packRows2(r0: usize, r1: usize, features: i32, out: usize, strideOut: usize): void {
  let i: usize = 0;
  const bytes = (<usize>features) << 2;
  if (r0 && r1) {
    const whole = bytes & ~15;
    for (; i < whole; i += 16) {
      const a = v128.load(r0 + i);
      const b = v128.load(r1 + i);
      const low = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
      const high = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
      v128.store64_lane(out, low, 0);
      out += strideOut;
      v128.store64_lane(out, low, 1);
      out += strideOut;
      v128.store64_lane(out, high, 0);
      out += strideOut;
      v128.store64_lane(out, high, 1);
      out += strideOut;
    }
  }
  for (; i < bytes; i += 4) {
    store<f32>(out, r0 ? load<f32>(r0 + i) : 0);
    store<f32>(out, r1 ? load<f32>(r1 + i) : 0, 4);
    out += strideOut;
  }
}

/**
 * One row of `features` f32 (a multiple of 4) into panels [⌈features/8⌉][rows][8]: `out` is the address of this row in the
 * first panel, panels are `strideOut` bytes apart. A row pointer of 0 stands for zeros.
 */
export function packColumns8(row: usize, features: i32, out: usize, strideOut: usize): void {
  const zero = f32x4.splat(0);
  for (let i = 0; i < features; i += 8) {
    v128.store(out, row ? v128.load(row) : zero);
    v128.store(out, row && i + 4 < features ? v128.load(row, 16) : zero, 16);
    if (row) row += 32;
    out += strideOut;
  }
}
