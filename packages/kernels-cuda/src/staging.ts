// Pinned host memory, through which everything goes to the device and comes back: the device copies from and to it by
// itself, while the host goes on. Uploads are put into it one behind the other; a block is written to again once the
// stream has passed what was read from it.

import type { CudaContext } from './context.ts';
import type { PinnedMemory } from './driver.ts';
import { releaseEach } from './releases.ts';

interface PinnedBlock extends PinnedMemory {
  /** Bytes that uploads have taken of it. */
  filled: number;
  /** The mark behind its last use. */
  busyUntil: number;
}

export const stagingBlockBytes = 4 * 2 ** 20;
/** Blocks that are kept. More only while results that are larger are on their way. */
const mostBlocks = 8;
/** Uploads begin at multiples of this, as copies like it. */
const alignment = 64;

export class Staging {
  readonly #context: CudaContext;
  /** Puts on the stream, and marks, all that was recorded. */
  readonly #submit: () => void;
  /** Where uploads go now. */
  #current: PinnedBlock | undefined;
  /** Those that are not current, in the order in which they were last used. */
  readonly #blocks: PinnedBlock[] = [];
  /** All that were allocated and not freed. */
  readonly #all = new Set<PinnedBlock>();

  constructor(context: CudaContext, submit: () => void) {
    this.#context = context;
    this.#submit = submit;
  }

  /**
   * Copies bytes of the host into pinned memory. Blocks only where more is uploaded at once than fits, until the device
   * took some of it.
   *
   * @param record what puts each piece's copy on the stream, before the next mark
   */
  write(bytes: Uint8Array, record: (source: bigint, offset: number, byteLength: number) => void): void {
    for (let offset = 0; offset < bytes.byteLength; ) {
      const block = this.#writable();
      const byteLength = Math.min(bytes.byteLength - offset, stagingBlockBytes - block.filled);
      block.bytes.set(bytes.subarray(offset, offset + byteLength), block.filled);
      record(block.pointer + BigInt(block.filled), offset, byteLength);
      block.filled = Math.ceil((block.filled + byteLength) / alignment) * alignment;
      block.busyUntil = this.#context.nextTick;
      offset += byteLength;
    }
  }

  /**
   * Copies `byteLength` bytes from the device as they are at this point of the stream.
   *
   * @returns the bytes, once the stream has come there
   */
  async read(address: number, byteLength: number): Promise<ArrayBuffer> {
    const { driver, stream } = this.#context;
    const pieces: PinnedBlock[] = [];
    try {
      const tick = this.#context.run(() => {
        for (let offset = 0; offset < byteLength; offset += stagingBlockBytes) {
          const piece = this.#free(Number.POSITIVE_INFINITY)!;
          pieces.push(piece);
          piece.busyUntil = this.#context.nextTick;
          driver.copyToHost(piece.pointer, address + offset, Math.min(stagingBlockBytes, byteLength - offset), stream);
        }
        return this.#context.mark();
      });
      await this.#context.wait(tick);
      const result = new Uint8Array(byteLength);
      pieces.forEach(({ bytes }, at) => {
        const offset = at * stagingBlockBytes;
        result.set(bytes.subarray(0, Math.min(stagingBlockBytes, byteLength - offset)), offset);
      });
      return result.buffer;
    } finally {
      this.#blocks.push(...pieces);
      if (this.#all.size > mostBlocks && !this.#context.gone) this.#context.run(() => this.#trim());
    }
  }

  /** Frees all of it, within the context. @returns what failed */
  release(): unknown[] {
    const failures = releaseEach(this.#all, (block) => this.#context.driver.freePinned(block));
    this.#all.clear();
    this.#blocks.length = 0;
    this.#current = undefined;
    return failures;
  }

  /** The current block, or where that is full another. */
  #writable(): PinnedBlock {
    const current = this.#current;
    if (current && current.filled < stagingBlockBytes) return current;
    if (current) this.#blocks.push(current);
    this.#current = undefined;
    this.#current = this.#context.run(() => this.#free(mostBlocks)) ?? this.#waitForOldest();
    this.#current.filled = 0;
    return this.#current;
  }

  /** A block that nothing uses any more, of as many as `most`, if there is one. */
  #free(most: number): PinnedBlock | undefined {
    const at = this.#blocks.findIndex(({ busyUntil }) => this.#context.passed(busyUntil));
    if (at >= 0) return this.#blocks.splice(at, 1)[0];
    if (this.#all.size >= most) return undefined;
    const block = { ...this.#context.driver.allocatePinned(stagingBlockBytes), filled: 0, busyUntil: 0 };
    this.#all.add(block);
    return block;
  }

  #waitForOldest(): PinnedBlock {
    this.#submit();
    this.#context.block();
    return this.#blocks.shift()!;
  }

  #trim(): void {
    while (this.#all.size > mostBlocks) {
      const at = this.#blocks.findIndex(({ busyUntil }) => this.#context.passed(busyUntil));
      if (at < 0) return;
      const [block] = this.#blocks.splice(at, 1);
      this.#all.delete(block!);
      this.#context.driver.freePinned(block!);
    }
  }
}
