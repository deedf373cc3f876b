// Devices that plans are made for.

import type { CudaTraits } from '../../src/plan.ts';

/** An H200. */
export const large: CudaTraits = { computeCapability: 90, multiprocessors: 132, sharedBytesPerBlock: 227 * 1024 };
/** A Jetson Orin NX. */
export const small: CudaTraits = { computeCapability: 87, multiprocessors: 8, sharedBytesPerBlock: 163 * 1024 };
/** The least shared memory of all that there are kernels for: an RTX 4090's or 5090's. */
export const tight: CudaTraits = { computeCapability: 89, multiprocessors: 128, sharedBytesPerBlock: 99 * 1024 };
/** One that anything fills: tiles are large, and nothing is shared out among blocks or warps. */
export const full: CudaTraits = { ...large, multiprocessors: 0.001 };
/** A large one whose cuBLASLt does every product. */
export const withCublas: CudaTraits = { ...large, cublas: () => 2 ** 20 };
