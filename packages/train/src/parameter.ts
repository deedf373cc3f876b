// A parameter: a float32 tensor of a model that training changes, by the name its file gives it.

import type { Backend, DeviceTensor, HostTensor } from '@flashmla/tensor';

export interface Parameter {
  readonly name: string;
  /** float32; stays the same tensor while it is trained, which changes its elements. */
  tensor: DeviceTensor;
  /** Whether weight decay applies: to matrices, not to biases and norms. */
  readonly decays: boolean;
}

/** A copy of `values` on the backend, which the caller disposes. */
export function parameterOf(backend: Backend, name: string, values: HostTensor): Parameter {
  return { name, tensor: backend.upload(values), decays: values.shape.length > 1 };
}
