// dropout: a hash of an element's number and the seed says whether it is kept.

import { ELEMENTS, storeFirst } from './elements';

/** lowbias32, see the op's declaration. */
// @ts-ignore: decorator
@inline
function mix(bits: v128): v128 {
  let x = i32x4.mul(v128.xor(bits, i32x4.shr_u(bits, 16)), i32x4.splat(0x7feb352d));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 15)), i32x4.splat(0x846ca68b));
  return v128.xor(x, i32x4.shr_u(x, 16));
}

/** args: input, seed, output, elements, the least hash that is kept (u32), 1 / (1 − rate); a task is ELEMENTS of them */
export function dropout(args: usize, task: i32, _scratch: usize): void {
  const input = <usize>load<u32>(args);
  const seed = v128.load32_splat(<usize>load<u32>(args, 4));
  const output = <usize>load<u32>(args, 8);
  const threshold = v128.load32_splat(args, 16);
  const scale = v128.load32_splat(args, 20);
  const end = (<usize>min((task + 1) * ELEMENTS, load<i32>(args, 12))) << 2;
  let numbers = i32x4.add(i32x4.splat(task * ELEMENTS), i32x4(0, 1, 2, 3));
  for (let i = (<usize>(task * ELEMENTS)) << 2; i < end; i += 16) {
    const kept = i32x4.ge_u(mix(i32x4.add(mix(numbers), seed)), threshold);
    storeFirst(output + i, v128.and(f32x4.mul(v128.load(input + i), scale), kept), end - i);
    numbers = i32x4.add(numbers, i32x4.splat(4));
  }
}
