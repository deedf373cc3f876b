// What the selector needs of a kernels package, declared so that it compiles whether or not the package is installed.
// Each package checks its own `provider` against BackendProvider.

declare module '@flashmla/kernels-cuda' {
  export const provider: import('@flashmla/tensor').BackendProvider;
}
declare module '@flashmla/kernels-webgpu' {
  export const provider: import('@flashmla/tensor').BackendProvider;
}
declare module '@flashmla/kernels-native' {
  export const provider: import('@flashmla/tensor').BackendProvider;
}
declare module '@flashmla/kernels-webgl' {
  export const provider: import('@flashmla/tensor').BackendProvider;
}
declare module '@flashmla/kernels-cpu' {
  export const provider: import('@flashmla/tensor').BackendProvider;
}
