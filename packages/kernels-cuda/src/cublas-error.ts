// What a failed call of cuBLASLt is told as: the call, the status's name, and what to do about it.

import { FlashMLAError } from '@flashmla/tensor';

const ownKernels = "or open the backend with cublas: false, which takes this package's own kernels";

/** By cublasStatus_t. */
const advices: Readonly<Record<number, string>> = {
  1: `Look whether the driver works (nvidia-smi) and is as new as cuBLASLt, ${ownKernels}`,
  3: 'Run smaller batches or shorter inputs, dispose tensors that are no longer needed, or end what else uses the device',
  8: `Install a cuBLASLt that knows this GPU, ${ownKernels}`,
  13: 'Look at what the next call of the driver raises: a kernel failed',
  15: `Update cuBLASLt, ${ownKernels}`,
};
const report = `Report it, with the version of cuBLASLt, ${ownKernels}`;

const allocationFailed = 3;

/** A call of cuBLASLt failed. */
export class CublasError extends FlashMLAError {
  /** The function, e.g. 'cublasLtMatmul'. */
  readonly call: string;
  /** What it gave: a cublasStatus_t. */
  readonly status: number;

  /** @param about what the call was for: a product's sizes */
  constructor(call: string, status: number, statusName: string, about?: string) {
    const code = status === allocationFailed ? 'out-of-memory' : 'backend-failed';
    const advice = advices[status] ?? report;
    super(code, `[kernels-cuda] ${call}${about ? ` (${about})` : ''} failed: ${statusName}. ${advice}.`);
    this.call = call;
    this.status = status;
  }
}
