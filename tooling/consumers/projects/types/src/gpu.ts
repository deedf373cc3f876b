import { provider as webgl } from '@flashmla/kernels-webgl';
import { provider as webgpu } from '@flashmla/kernels-webgpu';
import type { Backend, BackendProvider } from '@flashmla/tensor';

export const providers: BackendProvider[] = [webgl, webgpu];

export function open(device: GPUDevice): Promise<Backend> {
  return webgpu.open({ device });
}
