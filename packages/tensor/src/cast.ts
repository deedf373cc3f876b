// Tensors from one float type to another, on the host.

import type { FloatDType } from './dtype.ts';
import { fromFloat32, toFloat32 } from './half.ts';
import { type HostTensor, type Tensor, tensor } from './tensor.ts';

/**
 * `source` in `dtype`: itself where it has that dtype, otherwise a copy, each element rounded to the nearest (float64 by
 * way of float32).
 */
export function castTo(source: HostTensor, dtype: FloatDType): HostTensor {
  if (source.dtype === dtype) return source;
  return tensor(fromFloat32(toFloat32(source.array, source.dtype), dtype), source.shape, dtype);
}

/** The elements of a tensor in float32, wherever it lies and whatever they are. Waits for the work that writes them. */
export async function readFloat32(source: Tensor): Promise<Float32Array> {
  return toFloat32(await source.data(), source.dtype);
}
