// adam-w: a step of every parameter by itself.

import { ELEMENTS, storeFirst } from './elements';
import { madd } from './lanes';

/**
 * args: parameter, gradient, firstMoment, secondMoment, schedule, the new parameter, firstMoment and secondMoment, elements,
 *   beta1, 1 − beta1, beta2, 1 − beta2, epsilon, weightDecay; a task is ELEMENTS of them
 */
export function adamW(args: usize, task: i32, _scratch: usize): void {
  const parameter = <usize>load<u32>(args);
  const gradient = <usize>load<u32>(args, 4);
  const first = <usize>load<u32>(args, 8);
  const second = <usize>load<u32>(args, 12);
  const schedule = <usize>load<u32>(args, 16);
  const newParameter = <usize>load<u32>(args, 20);
  const newFirst = <usize>load<u32>(args, 24);
  const newSecond = <usize>load<u32>(args, 28);
  const end = (<usize>min((task + 1) * ELEMENTS, load<i32>(args, 32))) << 2;
  const rate = v128.load32_splat(schedule);
  const scale = v128.load32_splat(schedule, 4);
  const firstCorrection = v128.load32_splat(schedule, 8);
  const secondCorrection = v128.load32_splat(schedule, 12);
  for (let i = (<usize>(task * ELEMENTS)) << 2; i < end; i += 16) {
    const left = end - i;
    const g = f32x4.mul(v128.load(gradient + i), scale);
    const old = f32x4.mul(v128.load(first + i), v128.load32_splat(args, 36));
    const m = madd(g, v128.load32_splat(args, 40), old);
    const oldSquare = f32x4.mul(v128.load(second + i), v128.load32_splat(args, 44));
    const v = madd(f32x4.mul(g, g), v128.load32_splat(args, 48), oldSquare);
    const deviation = f32x4.add(f32x4.sqrt(f32x4.mul(v, secondCorrection)), v128.load32_splat(args, 52));
    const step = f32x4.div(f32x4.mul(m, firstCorrection), deviation);
    const x = v128.load(parameter + i);
    // Decay and step as one: 1 − learningRate · weightDecay has hardly a digit of the product in float32.
    const change = f32x4.mul(rate, madd(x, v128.load32_splat(args, 56), step));
    storeFirst(newParameter + i, f32x4.sub(x, change), left);
    storeFirst(newFirst + i, m, left);
    storeFirst(newSecond + i, v, left);
  }
}
