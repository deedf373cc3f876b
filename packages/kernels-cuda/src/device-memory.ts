// Where tensors lie on the device: best fit among free ranges, neighbours joined when freed.
//
// Memory is taken from the driver in segments: an allocation of its own waits for all work of the device. All work is on
// one stream, uploads included, so a range may be given out again as soon as the last op that uses it is recorded. What is
// given out follows from what is free alone, best fit and of equals the lowest address: a forward pass that is repeated
// finds its tensors at the same addresses, and the graph that was made of it fits again (graphs.ts).

import { CudaError, cuda } from './cuda-error.ts';
import { releaseEach } from './releases.ts';

export interface Block {
  readonly address: number;
  readonly byteLength: number;
}

interface Range {
  address: number;
  byteLength: number;
  readonly segment: Block;
}

/** Where segments come from. */
export interface SegmentSource {
  allocate(byteLength: number): number;
  free(address: number): void;
  /** Waits until nothing that was recorded uses memory any more. */
  quiet(): void;
}

/** cuMemAlloc aligns to as much; the widest loads of kernels need 16. */
const alignment = 256;
/** Small enough for a Jetson, large enough that a forward pass takes few. Larger tensors have one of their own. */
const segmentBytes = 32 * 2 ** 20;
/** What the driver rounds to. */
const pageBytes = 2 * 2 ** 20;

export class DeviceMemory {
  readonly #source: SegmentSource;
  readonly limitBytes: number;
  readonly #segments = new Set<Block>();
  /** In address order; joined where neighbours are of one segment. */
  readonly #free: Range[] = [];
  readonly #segmentOf = new WeakMap<Block, Block>();
  #heldBytes = 0;
  #usedBytes = 0;
  #peakBytes = 0;

  constructor(source: SegmentSource, limitBytes: number) {
    this.#source = source;
    this.limitBytes = limitBytes;
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

  /** At least `byteLength` bytes; undefined when the limit or the device has no more. */
  take(byteLength: number): Block | undefined {
    const wanted = roundUp(Math.max(1, byteLength), alignment);
    const at = this.#bestFit(wanted) ?? (this.#grow(wanted) ? this.#bestFit(wanted) : undefined);
    if (at === undefined) return undefined;
    const range = this.#free[at]!;
    const block = { address: range.address, byteLength: wanted };
    this.#segmentOf.set(block, range.segment);
    range.address += wanted;
    range.byteLength -= wanted;
    if (range.byteLength === 0) this.#free.splice(at, 1);
    this.#usedBytes += wanted;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    return block;
  }

  give(block: Block): void {
    this.#usedBytes -= block.byteLength;
    this.#insert({ ...block, segment: this.#segmentOf.get(block)! });
  }

  /** Gives all segments back. @returns what failed */
  release(): unknown[] {
    const failures = releaseEach(this.#segments, ({ address }) => this.#source.free(address));
    this.#segments.clear();
    this.#free.length = 0;
    this.#heldBytes = this.#usedBytes = 0;
    return failures;
  }

  #bestFit(wanted: number): number | undefined {
    let best: number | undefined;
    for (const [at, { byteLength }] of this.#free.entries()) {
      if (byteLength >= wanted && (best === undefined || byteLength < this.#free[best]!.byteLength)) best = at;
    }
    return best;
  }

  /** A segment for at least `wanted` bytes: one of the usual size, or where that is too much, one that just holds them. */
  #grow(wanted: number): boolean {
    if (wanted > this.limitBytes) return false;
    const least = Math.min(roundUp(wanted, pageBytes), this.limitBytes);
    if (this.#segment(Math.max(least, segmentBytes)) || this.#segment(least)) return true;
    this.#shrink();
    return this.#segment(least);
  }

  #segment(byteLength: number): boolean {
    if (this.#heldBytes + byteLength > this.limitBytes) return false;
    let address: number;
    try {
      address = this.#source.allocate(byteLength);
    } catch (error) {
      if (error instanceof CudaError && error.result === cuda.outOfMemory) return false;
      throw error;
    }
    const segment = { address, byteLength };
    this.#segments.add(segment);
    this.#heldBytes += byteLength;
    this.#insert({ ...segment, segment });
    return true;
  }

  /** Gives back to the driver the segments that hold no tensor. */
  #shrink(): void {
    const idle = this.#free.filter(({ byteLength, segment }) => byteLength === segment.byteLength);
    if (idle.length === 0) return;
    this.#source.quiet();
    for (const range of idle) {
      this.#free.splice(this.#free.indexOf(range), 1);
      this.#segments.delete(range.segment);
      this.#heldBytes -= range.byteLength;
      this.#source.free(range.address);
    }
  }

  #insert(range: Range): void {
    let at = this.#free.findIndex(({ address }) => address > range.address);
    if (at < 0) at = this.#free.length;
    this.#free.splice(at, 0, range);
    this.#join(at);
    if (at > 0) this.#join(at - 1);
  }

  /** Joins a range with its right neighbour when they touch. */
  #join(at: number): void {
    const [left, right] = [this.#free[at]!, this.#free[at + 1]];
    if (left.segment !== right?.segment || left.address + left.byteLength !== right.address) return;
    left.byteLength += right.byteLength;
    this.#free.splice(at + 1, 1);
  }
}

const roundUp = (value: number, step: number) => Math.ceil(value / step) * step;
