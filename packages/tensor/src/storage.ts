// Memory that several tensors share: a tensor, the views of its rows, and reads that are on their way.

/** Bytes [from, to) of a storage. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** @typeParam Block where the memory is; @typeParam Under what a backend notes of an op that a signal can skip */
export class Storage<Block, Under> {
  readonly block: Block;
  readonly #giveBack: (block: Block) => void;
  #holds = 1;
  readonly #written: { readonly range: ByteRange; readonly under: Under }[] = [];

  /** Held once, by the tensor that it is made for. @param giveBack called when nobody holds it any more */
  constructor(block: Block, giveBack: (block: Block) => void) {
    this.block = block;
    this.#giveBack = giveBack;
  }

  hold(): void {
    this.#holds++;
  }

  release(): void {
    if (--this.#holds === 0) this.#giveBack(this.block);
  }

  /** Notes that an op writes a range, and under what, if a signal can skip it. */
  wrote(range: ByteRange, under: Under | undefined): void {
    for (let i = this.#written.length - 1; i >= 0; i--) {
      const before = this.#written[i]!.range;
      if (before.from >= range.from && before.to <= range.to) this.#written.splice(i, 1);
    }
    if (under !== undefined) this.#written.push({ range, under });
  }

  /** Under what a range was written: by one op, or by several where views of it were outputs. */
  writtenUnder(range: ByteRange): Under[] {
    return this.#written.filter((one) => overlap(one.range, range)).map(({ under }) => under);
  }
}

export const overlap = (a: ByteRange, b: ByteRange): boolean => a.from < b.to && b.from < a.to;
