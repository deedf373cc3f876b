// activation and activation-gradient: what `linear` applies to its sums, and its derivative, element by element.

import { ELEMENTS, storeFirst } from './elements';
import { gelu, geluSlope, geluTanh, geluTanhSlope, tanh } from './lanes';

// @ts-ignore: decorator
@inline
export function activate(x: v128, activation: i32): v128 {
  if (activation == 0) return x;
  if (activation == 1) return gelu(x);
  if (activation == 2) return geluTanh(x);
  if (activation == 3) return tanh(x);
  return f32x4.max(x, f32x4.splat(0));
}

// @ts-ignore: decorator
@inline
function slope(x: v128, activation: i32): v128 {
  if (activation == 1) return geluSlope(x);
  if (activation == 2) return geluTanhSlope(x);
  if (activation == 3) {
    const t = tanh(x);
    return f32x4.sub(f32x4.splat(1), f32x4.mul(t, t));
  }
  return v128.and(f32x4.splat(1), f32x4.gt(x, f32x4.splat(0)));
}

/** args: input, output, elements, activation (not 'none'); a task is ELEMENTS of them */
export function activation(args: usize, task: i32, _scratch: usize): void {
  const input = <usize>load<u32>(args);
  const output = <usize>load<u32>(args, 4);
  const kind = load<i32>(args, 12);
  const end = (<usize>min((task + 1) * ELEMENTS, load<i32>(args, 8))) << 2;
  for (let i = (<usize>(task * ELEMENTS)) << 2; i < end; i += 16) {
    storeFirst(output + i, activate(v128.load(input + i), kind), end - i);
  }
}

/** args: input, outputGradient, inputGradient, elements, activation (not 'none'); a task is ELEMENTS of them */
export function activationGradient(args: usize, task: i32, _scratch: usize): void {
  const input = <usize>load<u32>(args);
  const flowing = <usize>load<u32>(args, 4);
  const output = <usize>load<u32>(args, 8);
  const kind = load<i32>(args, 16);
  const end = (<usize>min((task + 1) * ELEMENTS, load<i32>(args, 12))) << 2;
  for (let i = (<usize>(task * ELEMENTS)) << 2; i < end; i += 16) {
    const x = f32x4.mul(v128.load(flowing + i), slope(v128.load(input + i), kind));
    storeFirst(output + i, x, end - i);
  }
}
