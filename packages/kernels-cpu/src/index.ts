// @flashmla/kernels-cpu: the CPU backend, WASM SIMD on worker threads, in Node and browsers.

export { CpuBackend } from './cpu-backend.ts';
export { planOf } from './kernels/index.ts';
export type { CpuPlan, Step } from './plan.ts';
export { type CpuBackendProvider, type CpuOpenOptions, provider } from './provider.ts';
