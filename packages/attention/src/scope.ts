// Device memory that one computation holds. What is still held when it ends, or fails, is given back.
//
// Freeing is stream-ordered (see Backend.free): a tensor may be released as soon as the last op that reads it is
// dispatched, long before that op has run.

import {
  type Backend,
  DeviceTensor,
  FlashMLAError,
  HostTensor,
  type Tensor,
  type UploadOptions,
} from '@flashmla/tensor';

export class Scope {
  readonly #backend: Backend;
  readonly #held = new Set<Disposable>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Makes the scope responsible for `resource`. */
  own<T extends Disposable>(resource: T): T {
    this.#held.add(resource);
    return resource;
  }

  /** Gives up responsibility: the resource outlives the scope. */
  keep<T extends Disposable>(resource: T): T {
    this.#held.delete(resource);
    return resource;
  }

  /** `source` on the device: a host tensor is uploaded, and the copy owned; a device tensor stays its owner's. */
  device(source: Tensor, options?: UploadOptions): DeviceTensor {
    if (source instanceof DeviceTensor) return source;
    if (source instanceof HostTensor) return this.own(this.#backend.upload(source, options));
    throw new FlashMLAError(
      'invalid-argument',
      '[attention] a tensor is neither a host nor a device tensor of this @flashmla/tensor; make it with tensor(), ' +
        'and install one version of the package only.',
    );
  }

  /** Disposes those of `resources` that the scope owns. */
  release(...resources: Disposable[]): void {
    for (const resource of resources) {
      if (this.#held.delete(resource)) resource[Symbol.dispose]();
    }
  }

  dispose(): void {
    this.release(...this.#held);
  }
}
