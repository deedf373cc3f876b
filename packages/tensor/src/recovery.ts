// What backends whose device can be lost have in common (see Backend.recover), and what calls do before their first op.

import type { Backend, Restore } from './backend.ts';
import { FlashMLAError } from './errors.ts';
import { elementCount, formatShape } from './shape.ts';
import { DeviceTensor, type HostTensor, type Tensor } from './tensor.ts';

/** The tensors of a backend that can be restored. Keeps none of them alive. */
export class RestorableTensors<T extends DeviceTensor> {
  readonly #restores = new WeakMap<T, { restore: Restore; self: WeakRef<T> }>();
  /** In the order of upload, which mostly is the order of a file. */
  readonly #tensors = new Set<WeakRef<T>>();

  add(added: T, restore: Restore): void {
    const self = new WeakRef(added);
    this.#restores.set(added, { restore, self });
    this.#tensors.add(self);
  }

  /** For a tensor that was disposed, or whose elements are no longer those that were uploaded. */
  delete(deleted: T): void {
    const known = this.#restores.get(deleted);
    if (!known) return;
    this.#restores.delete(deleted);
    this.#tensors.delete(known.self);
  }

  /** Gets the elements of one tensor after the other, so that no more than one is in memory, and hands them to `place`. */
  async restore(signal: AbortSignal, place: (lost: T, elements: HostTensor) => void): Promise<void> {
    for (const self of this.#tensors) {
      const lost = self.deref();
      const known = lost && this.#restores.get(lost);
      if (!known) {
        this.#tensors.delete(self);
        continue;
      }
      const elements = await known.restore(signal);
      signal.throwIfAborted();
      if (lost.disposed) continue;
      checkSame(lost, elements);
      place(lost, elements);
    }
  }
}

/** The recovery under way: concurrent calls share it. */
export class SharedRecovery {
  #underWay: { readonly done: Promise<void>; readonly controller: AbortController } | undefined;

  run(recover: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (!this.#underWay) {
      const controller = new AbortController();
      const done = recover(controller.signal).finally(() => {
        this.#underWay = undefined;
      });
      this.#underWay = { done, controller };
    }
    return this.#underWay.done;
  }

  abort(reason: unknown): void {
    this.#underWay?.controller.abort(reason);
  }
}

/** @param source whose error it is: '[kernels-webgpu]' */
export function lostWithDevice(source: string, { dtype, shape }: DeviceTensor): FlashMLAError {
  return new FlashMLAError(
    'device-lost',
    `${source} a tensor ${dtype} ${formatShape(shape)} was lost with the GPU device; compute it again, or upload it with ` +
      "'restore' to have it brought back.",
  );
}

function checkSame(lost: DeviceTensor, { dtype, shape }: HostTensor): void {
  if (dtype === lost.dtype && elementCount(shape) === elementCount(lost.shape)) return;
  throw new FlashMLAError(
    'invalid-argument',
    `[tensor] 'restore' gave ${dtype} ${formatShape(shape)} for a tensor ${lost.dtype} ${formatShape(lost.shape)}; ` +
      'it must give the elements that were uploaded.',
  );
}

/**
 * Recovers the backend of a call before its first op, where the call stands on host tensors alone. A tensor on the device
 * was lost with it: who made that recovers, and makes it again.
 */
export async function recoverFor(backend: Backend, ...inputs: readonly Tensor[]): Promise<void> {
  if (!inputs.some((input) => input instanceof DeviceTensor)) await backend.recover();
}
