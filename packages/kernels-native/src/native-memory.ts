// Where tensors lie: blocks of the system's memory, kept for the next tensor of their size when they are freed.
//
// Ops run later than they are dispatched, so a block that was freed may still be read or written by commands on their way.
// Another command's output may take it at once (commands run in order), but the main thread must not write into it before
// those commands are done. Each free block therefore remembers the last command dispatched before it was freed. Each block is
// an allocation of its own and no part of a larger one: what is written past its end is seen by AddressSanitizer.

import type { Addon, Address } from './addon.ts';

export interface Block {
  readonly address: Address;
  readonly byteLength: number;
}

interface FreeBlock extends Block {
  /** The block is quiet once this command has completed. */
  readonly busyUntil: number;
}

const alignment = 64;
/** Free bytes that are kept in any case; beyond, no more than the most that was in use since some were last given back. */
const leastKeptBytes = 256 * 2 ** 20;

export class NativeMemory {
  readonly limitBytes: number;
  readonly #addon: Pick<Addon, 'allocate' | 'free'>;
  /** Commands that are done. */
  readonly #completed: () => number;
  /** By size, last freed last. */
  readonly #free = new Map<number, FreeBlock[]>();
  #freeBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;
  /** The most in use since the last trim: the next run takes as much, and should not fault it in again. */
  #highBytes = 0;

  constructor(addon: Pick<Addon, 'allocate' | 'free'>, limitBytes: number, completed: () => number) {
    this.#addon = addon;
    this.limitBytes = limitBytes;
    this.#completed = completed;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get peakBytes(): number {
    return this.#peakBytes;
  }

  resetPeak(): void {
    this.#peakBytes = this.#usedBytes;
  }

  /**
   * A block of at least `byteLength` bytes, or undefined when there is no more.
   *
   * @param quiet whether no command on its way may use it, since the main thread is going to write into it
   */
  take(byteLength: number, quiet: boolean): Block | undefined {
    const wanted = Math.max(alignment, Math.ceil(byteLength / alignment) * alignment);
    const block = this.#reuse(wanted, quiet) ?? this.#allocate(wanted);
    if (!block) return undefined;
    this.#usedBytes += block.byteLength;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    this.#highBytes = Math.max(this.#highBytes, this.#usedBytes);
    return block;
  }

  /** @param busyUntil the last command that may still use the block */
  give({ address, byteLength }: Block, busyUntil: number): void {
    this.#usedBytes -= byteLength;
    this.#freeBytes += byteLength;
    const same = this.#free.get(byteLength);
    if (same) same.push({ address, byteLength, busyUntil });
    else this.#free.set(byteLength, [{ address, byteLength, busyUntil }]);
    if (this.#freeBytes > Math.max(leastKeptBytes, this.#highBytes)) this.#trim();
  }

  /** Gives back to the system what is free and quiet. */
  release(): void {
    this.#trim();
  }

  /** The block freed last: it is the likeliest to be in cache. */
  #reuse(byteLength: number, quiet: boolean): Block | undefined {
    const same = this.#free.get(byteLength);
    if (!same) return undefined;
    const completed = quiet ? this.#completed() : Number.POSITIVE_INFINITY;
    const at = same.findLastIndex(({ busyUntil }) => busyUntil <= completed);
    if (at < 0) return undefined;
    const [block] = same.splice(at, 1);
    if (same.length === 0) this.#free.delete(byteLength);
    this.#freeBytes -= byteLength;
    return block;
  }

  #allocate(byteLength: number): Block | undefined {
    const fits = () => this.#usedBytes + this.#freeBytes + byteLength <= this.limitBytes;
    if (!fits()) this.#trim();
    if (!fits()) return undefined;
    const address = this.#addon.allocate(byteLength);
    return address === 0 ? undefined : { address, byteLength };
  }

  #trim(): void {
    this.#highBytes = this.#usedBytes;
    const completed = this.#completed();
    for (const [byteLength, blocks] of this.#free) {
      const busy = blocks.filter(({ busyUntil }) => busyUntil > completed);
      for (const { address, busyUntil } of blocks) if (busyUntil <= completed) this.#addon.free(address);
      this.#freeBytes -= (blocks.length - busy.length) * byteLength;
      if (busy.length > 0) this.#free.set(byteLength, busy);
      else this.#free.delete(byteLength);
    }
  }
}
