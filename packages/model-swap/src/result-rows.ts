// What a run gives, in host memory: made before it starts, filled batch by batch, in the order of the texts.

import { type DeviceTensor, elementCount, FlashMLAError, type HostTensor, readFloat32, tensor } from '@flashmla/tensor';
import type { HeadName } from './architecture.ts';
import type { ForwardResult } from './encoder.ts';

export interface ResultSizes {
  /** Of each text. */
  readonly tokens: readonly number[];
  /** Mask tokens of each text. */
  readonly masks: readonly number[];
  readonly modelDim: number;
  readonly vocabulary: number;
  /** How many. */
  readonly labels: number;
}

/** Which results there are. */
export interface ResultParts {
  readonly hidden: boolean;
  readonly pooled: boolean;
  readonly head: HeadName | undefined;
}

export class ResultRows {
  readonly tensors: {
    readonly lastHiddenState?: HostTensor; // [texts, tokens, modelDim]
    readonly pooled?: HostTensor; // [texts, modelDim]
    readonly logits?: HostTensor; // by the head; see RunResult
  };
  readonly #sizes: ResultSizes;
  readonly #isOfMasks: boolean;
  /** Masks of all texts before each. */
  readonly #masksBefore: readonly number[];

  /** @throws FlashMLAError 'out-of-memory' */
  constructor(sizes: ResultSizes, { hidden, pooled, head }: ResultParts) {
    const { tokens, masks, modelDim, vocabulary, labels } = sizes;
    this.#sizes = sizes;
    this.#isOfMasks = head === 'masked-language-model';
    let before = 0;
    this.#masksBefore = masks.map((count) => {
      before += count;
      return before - count;
    });
    const texts = tokens.length;
    const longest = tokens.reduce((most, count) => Math.max(most, count), 0);
    const logitShapes: Readonly<Record<HeadName, readonly number[]>> = {
      'sequence-classification': [texts, labels],
      'token-classification': [texts, longest, labels],
      'masked-language-model': [before, vocabulary],
    };
    const zeros = (shape: readonly number[]) => tensor(new Float32Array(elementCount(shape)), shape);
    try {
      this.tensors = {
        ...(hidden && { lastHiddenState: zeros([texts, longest, modelDim]) }),
        ...(pooled && { pooled: zeros([texts, modelDim]) }),
        ...(head && { logits: zeros(logitShapes[head]) }),
      };
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new FlashMLAError(
        'out-of-memory',
        `[model-swap] there is no memory for the results of ${texts} texts of up to ${longest} tokens; run fewer at once` +
          `${hidden ? ', or leave the hidden states out (hidden: false)' : ''}.`,
        { cause },
      );
    }
  }

  /** Takes the results of the texts numbered in `batch`; what a text was padded with stays zero. */
  async put(batch: readonly number[], { hidden, pooled, logits, starts }: ForwardResult): Promise<void> {
    const { lastHiddenState, pooled: allPooled, logits: allLogits } = this.tensors;
    await this.#putTexts(batch, hidden, lastHiddenState, starts);
    await this.#putTexts(batch, pooled, allPooled, starts);
    if (this.#isOfMasks) await this.#putMasks(batch, logits, allLogits);
    else await this.#putTexts(batch, logits, allLogits, starts);
  }

  /** Rows of texts, [texts, features], or of their tokens, [texts, tokens, features], of which a text's begin at `starts`. */
  async #putTexts(
    batch: readonly number[],
    source: DeviceTensor | undefined,
    target: HostTensor | undefined,
    starts: Int32Array,
  ): Promise<void> {
    if (!source || !target) return;
    const values = await readFloat32(source);
    const width = target.shape.at(-1)!;
    const isOfTokens = target.shape.length === 3;
    const to = target.array.length / target.shape[0]!;
    batch.forEach((text, row) => {
      const [from, rows] = isOfTokens ? [starts[row]!, this.#sizes.tokens[text]!] : [row, 1];
      (target.array as Float32Array).set(values.subarray(from * width, (from + rows) * width), text * to);
    });
  }

  /** [masks, vocabulary] */
  async #putMasks(
    batch: readonly number[],
    source: DeviceTensor | undefined,
    target: HostTensor | undefined,
  ): Promise<void> {
    if (!source || !target) return;
    const values = await readFloat32(source);
    const width = target.shape[1]!;
    let from = 0;
    for (const text of batch) {
      const to = from + this.#sizes.masks[text]! * width;
      (target.array as Float32Array).set(values.subarray(from, to), this.#masksBefore[text]! * width);
      from = to;
    }
  }
}
