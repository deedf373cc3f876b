// @flashmla/kernels-webgpu: the WebGPU backend, in browsers, Deno, and Node through the optional peer `webgpu`.

export { planOf, refusal, variantsOf } from './kernels/index.ts';
export type { GpuPlan, GpuTraits, Step } from './plan.ts';
export { provider, type WebGpuBackendProvider, type WebGpuOpenOptions } from './provider.ts';
export { sourceOf, writesOf } from './shaders.ts';
export { WebGpuBackend } from './webgpu-backend.ts';
