// add: two tensors, element by element.

import { ELEMENTS, storeFirst } from './elements';

/** args: a, b, output, elements; a task is ELEMENTS of them */
export function add(args: usize, task: i32, _scratch: usize): void {
  const a = <usize>load<u32>(args);
  const b = <usize>load<u32>(args, 4);
  const output = <usize>load<u32>(args, 8);
  const end = (<usize>min((task + 1) * ELEMENTS, load<i32>(args, 12))) << 2;
  for (let i = (<usize>(task * ELEMENTS)) << 2; i < end; i += 16) {
    storeFirst(output + i, f32x4.add(v128.load(a + i), v128.load(b + i)), end - i);
  }
}
