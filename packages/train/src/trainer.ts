// One step of training after another: forward and backward over the batches of a step, the norm of the gradients, the update.

import type { LayerSample } from '@flashmla/gating';
import { type FloatDType, randomSource, readFloat32 } from '@flashmla/tensor';
import { AdamW, type AdamWOptions } from './adam-w.ts';
import { encode, type LayerReads } from './encoder.ts';
import type { Example } from './example.ts';
import type { HeadBatch } from './heads/head.ts';
import { LossScale } from './loss-scale.ts';
import type { TrainableModel } from './model.ts';
import { Gradients } from './pass/gradients.ts';
import { crossEntropy, dropout, gatherRows, squaredError } from './pass/steps.ts';
import { Tape } from './pass/tape.ts';
import type { Value } from './pass/value.ts';
import { type SparseTraining, sampleOf } from './sparse-training.ts';

export interface TrainerOptions {
  /** Share of the hidden states' elements that is dropped. */
  readonly dropout: number;
  readonly optimizer: AdamWOptions;
  /** Gradients whose norm is larger are scaled down to it. */
  readonly maxNorm: number;
  /** What activations are kept in between forward and backward pass. */
  readonly activations: FloatDType;
  /** Share of the batches whose texts begin at a random position, so that late positions are trained by short texts. */
  readonly randomOffsets: number;
  readonly seed: number;
  readonly sparse?: SparseTraining | undefined;
}

export interface StepReport {
  /** Mean over the rows that have a target. */
  readonly loss: number;
  /** Of the gradient of that loss, before it was scaled down. */
  readonly gradientNorm: number;
  /** Whether a gradient was no number, so that nothing was changed. */
  readonly skipped: boolean;
  readonly tokens: number;
}

export class Trainer implements Disposable {
  readonly model: TrainableModel;
  readonly optimizer: AdamW;
  readonly lossScale: LossScale;
  readonly #options: TrainerOptions;
  readonly #gradients: Gradients;
  /** Steps that were made. */
  step = 0;

  constructor(model: TrainableModel, options: TrainerOptions) {
    this.model = model;
    this.#options = options;
    this.optimizer = new AdamW(model.backend, model.parameters, options.optimizer);
    this.lossScale = new LossScale(options.activations);
    this.#gradients = new Gradients(model.backend);
  }

  /** Makes one step on `batches`, whose gradients are summed. One that is aborted changes no parameter. */
  async makeStep(
    batches: readonly (readonly Example[])[],
    {
      learningRate,
      isSparse = false,
      signal,
    }: { learningRate: number; isSparse?: boolean; signal?: AbortSignal | undefined },
  ): Promise<StepReport> {
    const { architecture, head } = this.model;
    const prepared = batches.map((examples, index) => head.batch(examples, architecture, this.#random(index)));
    const rows = prepared.reduce((sum, batch) => sum + batch.rows.length, 0);
    const { scale } = this.lossScale;
    const lessons: Lesson[] = [];
    let loss = 0;
    try {
      for (const [index, batch] of prepared.entries()) {
        const own = isSparse && index === 0 ? lessons : undefined;
        loss += await this.#differentiate(batch, index, scale / rows, { isSparse, lessons: own, signal });
      }
      const gradientNorm = Math.sqrt(await this.#gradients.squaredNorm()) / scale;
      const finite = Number.isFinite(gradientNorm);
      if (finite) {
        const clip = Math.min(1, this.#options.maxNorm / gradientNorm);
        await this.optimizer.step(this.#gradients, this.step, learningRate, clip / scale);
      }
      this.lossScale.update(finite);
      this.step++;
      for (const { layer, sample } of lessons) await this.#options.sparse!.learn(layer, sample);
      const tokens = prepared.flatMap(({ texts }) => texts).reduce((sum, { ids }) => sum + ids.length, 0);
      return { loss: loss / rows, gradientNorm, skipped: !finite, tokens };
    } finally {
      this.#gradients.clear();
    }
  }

  /** Logits [rows, classes] of the rows that the head reads of `examples`, without dropout, and what is expected of them. */
  async evaluate(
    examples: readonly Example[],
    { isSparse = false, signal }: { isSparse?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<{ logits: Float32Array; targets: HeadBatch['targets'] }> {
    const { architecture, head } = this.model;
    const batch = head.batch(examples, architecture, randomSource(this.#options.seed));
    using tape = new Tape(this.model.backend, { activations: this.#options.activations, signal });
    const logits = await this.#logits(tape, batch, { dropout: 0, seed: 0, offset: 0, isSparse });
    return { logits: await readFloat32(logits.tensor), targets: batch.targets };
  }

  dispose(): void {
    this.#gradients.clear();
    this.optimizer.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Adds the gradients of one batch; the sum of its losses. */
  async #differentiate(
    batch: HeadBatch,
    index: number,
    scale: number,
    {
      isSparse,
      lessons,
      signal,
    }: { isSparse: boolean; lessons: Lesson[] | undefined; signal: AbortSignal | undefined },
  ): Promise<number> {
    const { activations, dropout: rate, sparse, randomOffsets } = this.#options;
    using tape = new Tape(this.model.backend, { gradients: this.#gradients, activations, signal });
    const random = this.#random(index);
    const tokens = batch.texts.reduce((most, { ids }) => Math.max(most, ids.length), 0);
    const free = this.model.architecture.maxTokens - tokens;
    const offset = random() < randomOffsets ? Math.floor(random() * (free + 1)) : 0;
    const seed = Math.floor(random() * 2 ** 32) | 0;
    const text = Math.floor(random() * batch.texts.length);
    const onReads =
      lessons && sparse?.learnsIn(this.step)
        ? async (reads: LayerReads) => {
            const sample = await sampleOf(tape, reads, text, batch.texts[text]!.ids.length);
            lessons.push({ layer: reads.layer, sample });
          }
        : undefined;
    const logits = await this.#logits(tape, batch, { dropout: rate, seed, offset, isSparse, onReads });
    const { targets } = batch;
    const losses =
      targets instanceof Int32Array
        ? await crossEntropy(tape, logits, targets, scale)
        : await squaredError(tape, logits, targets, scale);
    await tape.backward();
    const read = await readFloat32(losses);
    return read.reduce((sum, loss) => sum + loss, 0);
  }

  async #logits(
    tape: Tape,
    { texts, rows }: HeadBatch,
    options: {
      dropout: number;
      seed: number;
      offset: number;
      isSparse: boolean;
      onReads?: ((reads: LayerReads) => Promise<void>) | undefined;
    },
  ): Promise<Value> {
    const { architecture, encoder, head, headParts } = this.model;
    const { dropout: rate, seed, offset, isSparse, onReads } = options;
    const sparse = isSparse ? this.#options.sparse : undefined;
    const hidden = await encode(tape, architecture, encoder, texts, {
      ...{ dropout: rate, seed, offset },
      select:
        sparse &&
        (async (reads) => {
          await onReads?.(reads);
          return sparse.select(tape, reads);
        }),
    });
    const read = await gatherRows(tape, hidden, rows);
    tape.discard(hidden);
    let site = 0;
    const drop = (value: Value) => dropout(tape, value, rate, ~seed + site++);
    return head.logits(tape, read, { architecture, parts: headParts, word: encoder.embedding.word }, drop);
  }

  /** What is random in batch `index` of the present step. */
  #random(index: number): () => number {
    return randomSource(
      Math.imul(this.#options.seed + 1, 0x9e3779b1) ^ Math.imul(this.step * 64 + index + 1, 0x85ebca6b),
    );
  }
}

interface Lesson {
  readonly layer: number;
  readonly sample: LayerSample;
}
