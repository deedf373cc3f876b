// @flashmla/kernels-native: the native backend, SIMD kernels in C++ on threads of their own, in Node.

export { type Addon, type Architecture, loadAddon } from './addon.ts';
export { planOf } from './kernels/index.ts';
export { NativeBackend } from './native-backend.ts';
export type { NativePlan, Step } from './plan.ts';
export { type NativeBackendProvider, type NativeOpenOptions, provider } from './provider.ts';
