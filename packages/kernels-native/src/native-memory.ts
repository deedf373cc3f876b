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
/**
 * Free bytes that are kept in any case; beyond, no more than was ever in use at once: the next run takes as much, and to
 * fault it in again costs a long one half its time. What was freed longest ago goes first.
 */
const leastKeptBytes = 256 * 2 ** 20;

export class NativeMemory {
  readonly limitBytes: number;
  readonly #addon: Pick<Addon, 'allocate' | 'free'>;
  /** Commands that are done. */
  readonly #completed: () => number;
  /** By size, last freed last, and all in the order in which they were freed. */
  readonly #free = new Map<number, FreeBlock[]>();
  readonly #freed = new Set<FreeBlock>();
  #freeBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;
  /** The most ever in use at once. */
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
    const block = { address, byteLength, busyUntil };
    const same = this.#free.get(byteLength);
    if (same) same.push(block);
    else this.#free.set(byteLength, [block]);
    this.#freed.add(block);
    this.#trim(Math.max(leastKeptBytes, this.#highBytes));
  }

  /** Gives back to the system what is free and quiet. */
  release(): void {
    this.#trim(0);
  }

  /** The block freed last: it is the likeliest to be in cache. */
  #reuse(byteLength: number, quiet: boolean): Block | undefined {
    const same = this.#free.get(byteLength);
    if (!same) return undefined;
    const completed = quiet ? this.#completed() : Number.POSITIVE_INFINITY;
    const at = same.findLastIndex(({ busyUntil }) => busyUntil <= completed);
    if (at < 0) return undefined;
    const block = same[at]!;
    this.#forget(block);
    return block;
  }

  #forget(block: FreeBlock): void {
    const same = this.#free.get(block.byteLength)!;
    same.splice(same.indexOf(block), 1);
    if (same.length === 0) this.#free.delete(block.byteLength);
    this.#freed.delete(block);
    this.#freeBytes -= block.byteLength;
  }

  #allocate(byteLength: number): Block | undefined {
    const fits = () => this.#usedBytes + this.#freeBytes + byteLength <= this.limitBytes;
    if (!fits()) this.#trim(0);
    if (!fits()) return undefined;
    const address = this.#addon.allocate(byteLength);
    return address === 0 ? undefined : { address, byteLength };
  }

  /** Gives back what is quiet until at most `keptBytes` are free. */
  #trim(keptBytes: number): void {
    if (this.#freeBytes <= keptBytes) return;
    const completed = this.#completed();
    for (const block of this.#freed) {
      if (block.busyUntil > completed) continue;
      this.#forget(block);
      this.#addon.free(block.address);
      if (this.#freeBytes <= keptBytes) return;
    }
  }
}
