// @flashmla/kernels-webgl: the WebGL2 backend, through gpu.js, for browsers without WebGPU.

export { planOf } from './kernels/index.ts';
export type { Step, WebGLPlan } from './plan.ts';
export { provider, type WebGLBackendProvider, type WebGLOpenOptions } from './provider.ts';
export type { WebGLBackend } from './webgl-backend.ts';
