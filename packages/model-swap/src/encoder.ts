// The forward pass: embedding, layers, pooler, head, over one batch of encoded texts.

import type { AttentionModule } from '@flashmla/attention';
import { checkFloats, type DeviceTensor, elementCount, tensor } from '@flashmla/tensor';
import type { Architecture, EncoderParts } from './architecture.ts';
import { type BatchInputs, batchInputs } from './batch-inputs.ts';
import { EncoderLayer, type LayerContext } from './layer.ts';
import { gatherRows, linear, norm } from './steps.ts';
import type { EncodedText } from './tokenizer.ts';
import type { Workspace } from './workspace.ts';

export interface ForwardOptions {
  /** Whether the caller wants the last hidden states; a head over first tokens then reads only those of the last layer. */
  hidden?: boolean;
  /** The tokens of a text that a masked language model's head reads, by number; default: none. */
  masksOf?: ((text: EncodedText) => readonly number[]) | undefined;
  /** Whether texts lie one after the other instead of padded; only where `packs` says so. Default false. */
  packed?: boolean;
  /** The attention a layer runs with; default: the one it has. */
  attention?: ((layer: EncoderLayer) => AttentionModule) | undefined;
  /** Sees each layer's input before the layer runs; must not dispose it. */
  beforeLayer?: ((layer: EncoderLayer, hidden: DeviceTensor, work: Workspace) => Promise<void>) | undefined;
  /** Called when a layer's work is done. Waits for it, so that abort and progress keep in step with the device. */
  afterLayer?: ((layer: EncoderLayer) => void) | undefined;
}

/** Owned by the workspace of the pass. */
export interface ForwardResult {
  readonly hidden?: DeviceTensor; // [batch, tokens, modelDim], or packed [1, Σ tokens, modelDim]
  /** The row of hidden states that each text begins at. */
  readonly starts: Int32Array;
  readonly pooled?: DeviceTensor; // [batch, modelDim]
  /**
   * [batch, labels]; of a token classifier [batch, tokens, labels], packed [1, Σ tokens, labels]; of a masked language model [masks, vocabulary], the
   * masks of one text after those of the text before, and absent where there is none.
   */
  readonly logits?: DeviceTensor;
}

export class Encoder {
  readonly layer: readonly EncoderLayer[];
  readonly #architecture: Architecture;
  readonly #parts: EncoderParts<DeviceTensor>;

  constructor(context: LayerContext & { architecture: Architecture }, parts: EncoderParts<DeviceTensor>) {
    this.#architecture = context.architecture;
    this.#parts = parts;
    this.layer = parts.layers.map((layerParts, index) => new EncoderLayer(index, context, layerParts));
  }

  /** Whether the attention of every layer takes texts without padding. */
  packs(attention: ForwardOptions['attention']): boolean {
    return this.layer.every((layer) => (attention?.(layer) ?? layer.attention).packs === true);
  }

  async forward(
    work: Workspace,
    texts: readonly EncodedText[],
    {
      hidden: wanted = true,
      packed = false,
      masksOf = () => [],
      attention,
      beforeLayer,
      afterLayer,
    }: ForwardOptions = {},
  ): Promise<ForwardResult> {
    const inputs = batchInputs(this.#architecture, texts, { packed });
    const { starts } = inputs;
    const keyMask = inputs.keyMask && work.upload(inputs.keyMask);
    const { pooler, head } = this.#parts;
    const { headName, headReadsPooled } = this.#architecture;
    const readsFirst = headName === 'sequence-classification';
    const firstTokens = work.upload(tensor(starts, [texts.length]));
    const firstOnly = !wanted && readsFirst;
    const lengths = packed ? texts.map(({ ids }) => ids.length) : undefined;
    let hidden = await this.#embed(work, inputs);
    for (const layer of this.layer) {
      work.signal?.throwIfAborted();
      await beforeLayer?.(layer, hidden, work);
      const rows = firstOnly && layer === this.layer.at(-1) ? firstTokens : undefined;
      hidden = await layer.forward(work, { hidden, keyMask, rows, texts: lengths }, attention?.(layer));
      if (afterLayer) {
        await work.backend.synchronize();
        afterLayer(layer);
      }
    }
    const first = firstOnly ? hidden : await gatherRows(work, hidden, firstTokens);
    const pooled = pooler && (await linear(work, first, pooler, 'tanh'));
    const maskRows = () => texts.flatMap((text, index) => masksOf(text).map((place) => starts[index]! + place));
    const read = readsFirst ? (headReadsPooled ? pooled : first) : await this.#tokensRead(work, hidden, maskRows);
    const logits = head && read && (await this.#classify(work, read));
    return { starts, ...(wanted && { hidden }), ...(pooled && { pooled }), ...(logits && { logits }) };
  }

  dispose(): void {
    for (const layer of this.layer) layer.dispose();
  }

  async #embed(work: Workspace, { tokenIds, positionIds, typeIds }: BatchInputs): Promise<DeviceTensor> {
    const { modelDim, vocabulary, positions, types, normEpsilon } = this.#architecture;
    const { word, position, type, norm: normParts } = this.#parts.embedding;
    const rows = elementCount(tokenIds.shape);
    const inputs = {
      tokenIds: work.upload(tokenIds),
      positionIds: work.upload(positionIds),
      ...(typeIds && { typeIds: work.upload(typeIds) }),
    };
    const summed = await work.run(
      { op: 'embedding', rows, modelDim, vocabulary, positions, types, dtype: checkFloats('[model-swap]', { word }) },
      { ...inputs, word, position, ...(type && { type }) },
      [...tokenIds.shape, modelDim],
    );
    work.release(...Object.values(inputs));
    const hidden = await norm(work, summed, normParts, normEpsilon);
    work.release(summed);
    return hidden;
  }

  /** What a head over tokens reads of hidden [batch, tokens, modelDim]: all, or [masks, modelDim]; undefined: nothing. */
  async #tokensRead(
    work: Workspace,
    hidden: DeviceTensor,
    maskRows: () => readonly number[],
  ): Promise<DeviceTensor | undefined> {
    if (this.#architecture.headName === 'token-classification') return hidden;
    const rows = Int32Array.from(maskRows());
    return rows.length === 0 ? undefined : gatherRows(work, hidden, work.upload(tensor(rows, [rows.length])));
  }

  async #classify(work: Workspace, input: DeviceTensor): Promise<DeviceTensor> {
    const { hidden, norm: evened, output } = this.#parts.head!;
    const { headActivation, normEpsilon } = this.#architecture;
    const inner = hidden ? await linear(work, input, hidden, headActivation) : input;
    const read = evened ? await norm(work, inner, evened, normEpsilon) : inner;
    const { weight = this.#parts.embedding.word, bias } = output;
    return linear(work, read, { weight, bias });
  }
}
