// An activation of a forward pass: what ops write and read, and the gradient of the loss in it.

import type { DeviceTensor } from '@flashmla/tensor';

export class Value {
  /** In the precision that activations are kept in. */
  readonly tensor: DeviceTensor;
  /** Of the tensor's dtype and size, once the backward pass has come by. */
  gradient: DeviceTensor | undefined;
  /** Whether the forward pass has given the tensor up. */
  discarded = false;

  constructor(tensor: DeviceTensor) {
    this.tensor = tensor;
  }

  get shape(): readonly number[] {
    return this.tensor.shape;
  }
}
