// Where tensors lie in the WASM memory: best fit among free blocks, neighbours joined when freed.
//
// Ops run later than they are dispatched, so a block that was freed may still be read or written by commands on their way.
// Another command's output may take it at once (commands run in order), but the main thread must not write into it
// before those commands are done. Each free block therefore remembers the last command dispatched before it was freed.

export interface Block {
  readonly offset: number;
  readonly byteLength: number;
}

interface FreeBlock {
  offset: number;
  byteLength: number;
  /** The block is quiet once this command has completed. */
  busyUntil: number;
}

const ALIGNMENT = 64;
// Kernels read whole vectors; the last may reach past a tensor's end.
const SLACK = 64;

export class Allocator {
  readonly #limit: number;
  /** In address order, never adjacent. */
  readonly #free: FreeBlock[] = [];
  #end: number;
  #used = 0;
  #peak = 0;

  /** @param start first byte to give out, @param limit first byte never to give out */
  constructor(start: number, limit: number) {
    this.#end = start;
    this.#limit = limit;
  }

  get usedBytes(): number {
    return this.#used;
  }

  get peakBytes(): number {
    return this.#peak;
  }

  /** First byte beyond everything given out so far: the memory must reach at least here. */
  get end(): number {
    return this.#end;
  }

  resetPeak(): void {
    this.#peak = this.#used;
  }

  /**
   * A block of at least `byteLength` bytes that was quiet after command `completed`, or undefined when the limit is
   * reached.
   */
  allocate(byteLength: number, completed: number): Block | undefined {
    const wanted = Math.max(ALIGNMENT, Math.ceil((byteLength + SLACK) / ALIGNMENT) * ALIGNMENT);
    let best = -1;
    for (let i = 0; i < this.#free.length; i++) {
      const block = this.#free[i]!;
      if (block.byteLength < wanted || block.busyUntil > completed) continue;
      if (best < 0 || block.byteLength < this.#free[best]!.byteLength) best = i;
    }
    let offset: number;
    if (best >= 0) {
      const block = this.#free[best]!;
      offset = block.offset;
      block.offset += wanted;
      block.byteLength -= wanted;
      if (block.byteLength === 0) this.#free.splice(best, 1);
    } else {
      offset = this.#end;
      // The last free block may serve as the beginning.
      const last = this.#free.at(-1);
      if (last && last.offset + last.byteLength === this.#end && last.busyUntil <= completed) offset = last.offset;
      if (offset + wanted > this.#limit) return undefined;
      if (offset < this.#end) this.#free.pop();
      this.#end = offset + wanted;
    }
    this.#used += wanted;
    this.#peak = Math.max(this.#peak, this.#used);
    return { offset, byteLength: wanted };
  }

  /** @param busyUntil the last command that may still use the block */
  free(block: Block, busyUntil: number): void {
    this.#used -= block.byteLength;
    let at = this.#free.findIndex((other) => other.offset > block.offset);
    if (at < 0) at = this.#free.length;
    this.#free.splice(at, 0, { ...block, busyUntil });
    this.#join(at);
    if (at > 0) this.#join(at - 1);
  }

  /** Joins free block `at` with its right neighbour when they touch. */
  #join(at: number): void {
    const left = this.#free[at]!;
    const right = this.#free[at + 1];
    if (!right || left.offset + left.byteLength !== right.offset) return;
    left.byteLength += right.byteLength;
    left.busyUntil = Math.max(left.busyUntil, right.busyUntil);
    this.#free.splice(at + 1, 1);
  }
}
