// EncoderModel: a loaded model that texts run through.

import type { CalibrationModel, GatedLayer, GateState, LayerSample } from '@flashmla/gating';
import {
  type Backend,
  breather,
  type DeviceTensor,
  FlashMLAError,
  type HostTensor,
  type Precision,
} from '@flashmla/tensor';
import { type Answers, answersOf } from './answers.ts';
import { type Architecture, type EncoderParts, type HeadName, partTensors } from './architecture.ts';
import { planBatches, planPacked } from './batches.ts';
import { Encoder, type ForwardOptions, type ForwardResult } from './encoder.ts';
import type { JsonObject } from './files/text-file.ts';
import { fitOnFirstUse } from './fit.ts';
import { learnableGates } from './gated-layers.ts';
import type { ModelAttention } from './layer-attention.ts';
import { type ModelPlan, type PlanOptions, planArchitecture } from './plan.ts';
import { type ProgressListener, stepper } from './progress.ts';
import { ResultRows } from './result-rows.ts';
import { sampleLayers } from './sample-layers.ts';
import type { EncodedText, TextInput, TextTokenizer } from './tokenizer.ts';
import { unlessAborted } from './unless-aborted.ts';
import { Workspace } from './workspace.ts';

export interface RunOptions {
  /** Stops the run between steps; it then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Called as layers finish. */
  progress?: ProgressListener;
  /** false leaves lastHiddenState out, which spares its copy and most of the last layer. Default true. */
  hidden?: boolean;
  /** Candidates for each mask of a masked language model; default 5. */
  top?: number;
  /** The attention a layer runs with, e.g. `(layer) => layer.dense` to compare with; default: the one it has. */
  attention?: ForwardOptions['attention'];
}

/** What runs: a text, or a list of texts, pairs, and texts that are encoded already. */
export type RunInput = string | readonly (TextInput | EncodedText)[];

/** What a run gives, in host memory, in the order of the texts; in float32, whatever the model computes in. */
export interface RunResult extends Answers {
  /** float32 [batch, tokens, modelDim]; a text shorter than the longest is followed by zeros. */
  readonly lastHiddenState: HostTensor;
  /** float32 [batch, modelDim]: the pooler's output, where the model has a pooler. */
  readonly pooled?: HostTensor;
  /**
   * Where the model has a head, float32: of a sequence classifier [batch, labels]; of a token classifier
   * [batch, tokens, labels], zeros after the end of a shorter text; of a masked language model [masks, vocabulary], a row for
   * each mask token, those of one text after those of the text before.
   */
  readonly logits?: HostTensor;
  /** Tokens of each text, special ones included. */
  readonly tokens: number[];
  /** Whether a text was longer than the model takes, and its end was left out. */
  readonly truncated: boolean[];
}

/** A loaded encoder. `loadModel` makes them. */
export class EncoderModel implements AsyncDisposable, CalibrationModel {
  /** config.json, as it was read. */
  readonly config: JsonObject;
  readonly backend: Backend;
  readonly tokenizer: TextTokenizer;
  readonly encoder: Encoder;
  readonly architecture: Architecture;
  /** What its weights and activations are kept in. */
  readonly dtype: Precision;
  /** Fitted gates by layer: those that came with the model, and those fitted since. */
  readonly gates: Map<number, GateState>;
  /** How it attends once `swapAttention(model)` is called, where that came with the model; see `saveAttention`. */
  readonly chosen: ModelAttention | undefined;
  readonly #parts: EncoderParts<DeviceTensor>;
  readonly #ownsBackend: boolean;
  #disposed = false;

  constructor(init: {
    config: JsonObject;
    architecture: Architecture;
    dtype: Precision;
    backend: Backend;
    /** Whether the backend ends with the model. */
    ownsBackend: boolean;
    tokenizer: TextTokenizer;
    parts: EncoderParts<DeviceTensor>;
    gates: Map<number, GateState>;
    chosen: ModelAttention | undefined;
  }) {
    this.config = init.config;
    this.architecture = init.architecture;
    this.dtype = init.dtype;
    this.backend = init.backend;
    this.tokenizer = init.tokenizer;
    this.gates = init.gates;
    this.chosen = init.chosen;
    this.#parts = init.parts;
    this.#ownsBackend = init.ownsBackend;
    this.encoder = new Encoder(init, init.parts);
  }

  /** What the model's head is for; undefined for a model without one. */
  get head(): HeadName | undefined {
    return this.#parts.head && this.architecture.headName;
  }

  /** Names of the labels by number; empty for a model without a classification head. */
  get labels(): readonly string[] {
    return this.head === undefined || this.head === 'masked-language-model' ? [] : this.architecture.labels;
  }

  /** Token ids of each text, cut to what the model takes, or to `maxTokens`; what is encoded already stays as it is. */
  encode(texts: RunInput, { maxTokens }: { maxTokens?: number } = {}): EncodedText[] {
    const list = typeof texts === 'string' ? [texts] : texts;
    if (!Array.isArray(list)) {
      throw new FlashMLAError(
        'invalid-argument',
        '[model-swap] expected a text, or a list of texts or [first, second] pairs.',
      );
    }
    return list.map((text) => (isEncoded(text) ? text : this.tokenizer.encode(text, maxTokens)));
  }

  /**
   * Runs texts through the model: without padding where the backend has views of rows, else batched by length.
   *
   * The first run after gates were swapped in that need fitting fits them (see `fitGates`). Where the backend's device is
   * lost during a run, it rejects with 'device-lost'; the next one opens the device again, reads the weights again, and works.
   *
   * @param texts a text, or a list of texts, of [first, second] pairs, or of what `encode` made of such
   */
  run(texts: RunInput, options: RunOptions & { hidden: false }): Promise<Omit<RunResult, 'lastHiddenState'>>;
  run(texts: RunInput, options?: RunOptions & { hidden?: true }): Promise<RunResult>;
  async run(
    texts: RunInput,
    { signal, progress, hidden = true, top = 5, attention }: RunOptions = {},
  ): Promise<Omit<RunResult, 'lastHiddenState'> & { lastHiddenState?: HostTensor }> {
    signal?.throwIfAborted();
    this.#checkAlive();
    if (!Number.isSafeInteger(top) || top < 1) {
      throw new FlashMLAError('invalid-argument', `[model-swap] top is ${top}; expected a whole number ≥ 1.`);
    }
    const encoded = await this.#encodeInTurns(texts, signal);
    await fitOnFirstUse(this, encoded, signal);
    const tokens = encoded.map(({ ids }) => ids.length);
    const masks = encoded.map((text) => this.tokenizer.masksOf(text).length);
    const { modelDim, vocabulary } = this.architecture;
    const rows = new ResultRows(
      { tokens, masks, modelDim, vocabulary, labels: this.labels.length },
      { hidden, pooled: this.#parts.pooler !== undefined, head: this.head },
    );
    const total = this.encoder.layer.length * sum(tokens);
    const advance = stepper(progress, 'run', total);
    const packed = this.encoder.packs(attention);
    for (const batch of packed ? planPacked(tokens) : planBatches(tokens)) {
      const batchTokens = sum(batch.map((text) => tokens[text]!));
      const afterLayer = advance && (() => advance(batchTokens));
      const chosen = batch.map((text) => encoded[text]!);
      await this.forward(chosen, { hidden, packed, attention, afterLayer, signal }, (result) =>
        rows.put(batch, result),
      );
    }
    const { logits } = rows.tensors;
    const answers = this.head && logits && answersOf(this.head, logits, encoded, this, top);
    const truncated = encoded.map((text) => text.truncated);
    return { ...rows.tensors, ...answers, tokens, truncated };
  }

  /**
   * One pass over one batch of encoded texts, padded to the longest unless `packed`: what `run` is made of. A device that was lost is
   * recovered first; one that is lost meanwhile rejects the pass with 'device-lost', and the next one works.
   *
   * @param use gets the results on the device; they are disposed when it is done
   */
  async forward<Result>(
    texts: readonly EncodedText[],
    { signal, ...options }: ForwardOptions & { signal?: AbortSignal | undefined },
    use: (result: ForwardResult) => Promise<Result>,
  ): Promise<Result> {
    this.#checkAlive();
    await unlessAborted(this.backend.recover(), signal);
    const work = new Workspace(this.backend, signal);
    try {
      const masksOf = (text: EncodedText) => this.tokenizer.masksOf(text);
      const result = await use(await this.encoder.forward(work, texts, { masksOf, ...options }));
      // Work that was skipped by the signal left its outputs without meaning.
      signal?.throwIfAborted();
      return result;
    } finally {
      work.dispose();
    }
  }

  /** What running texts of so many tokens takes, weights included, with sparse and with dense attention. Allocates nothing. */
  plan(tokens: number, options: Omit<PlanOptions, 'tokens' | 'backend' | 'dtype'> = {}): Promise<ModelPlan> {
    return planArchitecture(this.architecture, { ...options, tokens, backend: this.backend, dtype: this.dtype });
  }

  /** The layers that `calibrateGates` of @flashmla/gating looks at. */
  gatedLayers(): readonly GatedLayer[] {
    const { heads, headDim } = this.architecture;
    return learnableGates(this).map(({ layer: { index: layer }, attention: { k }, gate }) => ({
      ...{ layer, gate, k, heads, headDim },
      remember: () => void this.gates.set(layer, gate.state()),
    }));
  }

  /** What one layer's attention reads of each text under dense attention, text by text; see `calibrateGates`. */
  async sampleLayer(
    layer: number,
    texts: readonly TextInput[],
    { maxTokens, signal }: { maxTokens: number; signal?: AbortSignal | undefined },
    use: (sample: LayerSample) => void,
  ): Promise<void> {
    const layers = new Set([this.encoder.layer[layer]!]);
    for (const text of this.encode(texts, { maxTokens })) {
      await sampleLayers(this, text, layers, ['query', 'key', 'value', 'hidden'], signal, (_, sample) => use(sample));
    }
  }

  /** Gives all memory back, and ends the backend if the model opened it. */
  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.encoder.dispose();
    for (const one of partTensors(this.#parts)) one.dispose();
    if (this.#ownsBackend) await this.backend.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** `encode`, giving the event loop its turns: thousands of texts take seconds. */
  async #encodeInTurns(texts: RunInput, signal: AbortSignal | undefined): Promise<EncodedText[]> {
    if (typeof texts === 'string' || !Array.isArray(texts)) return this.encode(texts);
    const encoded: EncodedText[] = [];
    const breathe = breather(signal);
    for (const text of texts) {
      encoded.push(...this.encode([text]));
      await breathe();
    }
    return encoded;
  }

  #checkAlive(): void {
    if (this.#disposed) {
      throw new FlashMLAError('disposed', '[model-swap] the model was disposed; load it again.');
    }
  }
}

const isEncoded = (text: TextInput | EncodedText): text is EncodedText =>
  typeof text === 'object' && text !== null && 'ids' in text;

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
