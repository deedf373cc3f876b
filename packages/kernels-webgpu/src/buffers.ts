// Device memory: buffers by size, kept for the next tensor of the same size when one is freed.
//
// Ops run in the order they were recorded, so that one may be given a buffer as soon as the last op that reads it is
// recorded. An upload is different: it runs before everything that is not submitted yet. So it takes quiet buffers only,
// which nothing unsubmitted uses.

import { usage } from './gpu.ts';

export interface Block {
  readonly buffer: GPUBuffer;
  /** Bytes of the buffer, at least those asked for. */
  readonly byteLength: number;
  readonly owner: Buffers;
  /** Ops recorded when it was freed. */
  freedAt: number;
}

export class Buffers {
  readonly #device: GPUDevice;
  readonly #limitBytes: number;
  readonly #free = new Map<number, Block[]>();
  #freeBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;

  constructor(device: GPUDevice, limitBytes: number) {
    this.#device = device;
    this.#limitBytes = limitBytes;
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
   * A buffer of at least `byteLength` bytes; undefined when that would be more than the limit.
   *
   * @param quietAt ops submitted so far, for what is written at once; leave it out for what ops write, in their turn
   */
  take(byteLength: number, quietAt = Number.POSITIVE_INFINITY): Block | undefined {
    const size = sizeClass(byteLength);
    const kept = this.#free.get(size);
    const at = kept?.findIndex(({ freedAt }) => freedAt <= quietAt) ?? -1;
    let block: Block | undefined;
    if (at >= 0) {
      [block] = kept!.splice(at, 1);
      this.#freeBytes -= size;
    } else {
      block = this.#create(size);
    }
    if (!block) return undefined;
    this.#usedBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    return block;
  }

  /** Whether the block came from here: memory of a device that was lost is nobody's. */
  owns(block: Block): boolean {
    return block.owner === this;
  }

  /** @param recorded ops recorded so far: any of them may still use the block */
  give(block: Block, recorded: number): void {
    block.freedAt = recorded;
    this.#usedBytes -= block.byteLength;
    this.#freeBytes += block.byteLength;
    const kept = this.#free.get(block.byteLength);
    if (kept) kept.push(block);
    else this.#free.set(block.byteLength, [block]);
  }

  /** Gives back to the device what nothing uses. @param submitted ops submitted so far */
  trim(submitted: number): void {
    for (const [size, kept] of this.#free) {
      const busy = kept.filter(({ freedAt }) => freedAt > submitted);
      for (const block of kept) if (!busy.includes(block)) block.buffer.destroy();
      this.#freeBytes -= size * (kept.length - busy.length);
      if (busy.length > 0) this.#free.set(size, busy);
      else this.#free.delete(size);
    }
  }

  /** Whether `byteLength` more bytes make what is held, in use or kept, more than the limit. */
  wouldExceed(byteLength: number): boolean {
    return this.#usedBytes + this.#freeBytes + sizeClass(byteLength) > this.#limitBytes;
  }

  #create(size: number): Block | undefined {
    if (this.#usedBytes + this.#freeBytes + size > this.#limitBytes) return undefined;
    if (size > this.#device.limits.maxBufferSize) return undefined;
    const buffer = this.#device.createBuffer({
      size,
      usage: usage.storage | usage.copySource | usage.copyDestination,
    });
    return { buffer, byteLength: size, owner: this, freedAt: 0 };
  }
}

/** Sizes that are told apart: eight between one power of two and the next, so that at most an eighth is wasted. */
function sizeClass(byteLength: number): number {
  const least = 256;
  if (byteLength <= least) return least;
  const step = Math.max(least, 2 ** (Math.floor(Math.log2(byteLength - 1)) - 2));
  return Math.ceil(byteLength / step) * step;
}
