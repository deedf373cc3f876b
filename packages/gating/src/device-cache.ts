// A gate's own weights on the backends it is used with: uploaded once on each, again when its device was lost, given back
// when the gate is disposed. Holds neither backend nor tensor alive.

import type { Backend, DeviceTensor, HostTensor, UploadOptions } from '@flashmla/tensor';

export class DeviceCache {
  #tensors = new WeakMap<Backend, Map<string, DeviceTensor>>();
  #uploaded: WeakRef<DeviceTensor>[] = [];

  /** The tensor called `name` on `backend`; if it is not there, `source` is uploaded. */
  get(
    backend: Backend,
    name: string,
    source: () => HostTensor,
    options?: Pick<UploadOptions, 'purpose'>,
  ): DeviceTensor {
    const own = this.#tensors.get(backend) ?? new Map<string, DeviceTensor>();
    this.#tensors.set(backend, own);
    const known = own.get(name);
    if (known) return known;
    const uploaded = backend.upload(source(), { ...options, restore: source });
    own.set(name, uploaded);
    this.#uploaded.push(new WeakRef(uploaded));
    return uploaded;
  }

  /** Disposes what was uploaded; the cache can be used again. */
  clear(): void {
    for (const reference of this.#uploaded) reference.deref()?.dispose();
    this.#uploaded = [];
    this.#tensors = new WeakMap();
  }
}
