// A plan on the shim, from its first step to its last, with memory of its own for its buffers.

import type { CudaPlan } from '../../src/plan.ts';
import type { Shim } from './shim.ts';

/** `addresses` are those of the problem's tensors, by name. What a buffer holds at first is NaN in every float type. */
export function runPlan(shim: Shim, { steps, buffers }: CudaPlan, tensors: ReadonlyMap<string, bigint>): void {
  const addresses = new Map(tensors);
  for (const [name, byteLength] of Object.entries(buffers)) {
    const address = shim.allocate(byteLength);
    shim.write(address, new Uint8Array(byteLength).fill(0xff));
    addresses.set(name, address);
  }
  try {
    for (const step of steps) {
      if ('product' in step) throw new Error('the shim has kernels only: plan without cuBLASLt');
      shim.launch(
        step,
        step.bindings.map((name) => addresses.get(name) ?? 0n),
      );
    }
  } finally {
    for (const [name, byteLength] of Object.entries(buffers)) shim.free(addresses.get(name)!, byteLength);
  }
}
