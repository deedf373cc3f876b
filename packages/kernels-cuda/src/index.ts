// @flashmla/kernels-cuda: the CUDA backend, for Node with the NVIDIA driver and the optional peer `koffi`.

export { CublasError } from './cublas-error.ts';
export { CudaBackend } from './cuda-backend.ts';
export { CudaError } from './cuda-error.ts';
export type { CudaDevice } from './devices.ts';
export { planOf, refusal, variantsOf } from './kernels/index.ts';
export type { CudaPlan, CudaTraits, KernelStep, Product, ProductStep, Step } from './plan.ts';
export { type CudaBackendProvider, type CudaOpenOptions, provider } from './provider.ts';
