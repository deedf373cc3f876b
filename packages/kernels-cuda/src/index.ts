// @flashmla/kernels-cuda: the CUDA backend, for Node with the NVIDIA driver and the optional peer `koffi`.

export { CudaBackend } from './cuda-backend.ts';
export { CudaError } from './cuda-error.ts';
export type { CudaDevice } from './devices.ts';
export { planOf, refusal } from './kernels/index.ts';
export type { CudaPlan, CudaTraits, Step } from './plan.ts';
export { type CudaBackendProvider, type CudaOpenOptions, provider } from './provider.ts';
