// How far a swapped model is from the model as it was loaded, on given texts.

import { type CallStatistics, FlashMLAAttention } from '@flashmla/attention';
import { readFloat32 } from '@flashmla/tensor';
import { planBatches } from './batches.ts';
import type { ForwardOptions } from './encoder.ts';
import { fitOnFirstUse } from './fit.ts';
import type { EncoderModel } from './model.ts';
import { type ProgressListener, stepper } from './progress.ts';
import type { EncodedText, TextInput } from './tokenizer.ts';

export interface VerifyOptions {
  signal?: AbortSignal;
  progress?: ProgressListener;
}

/** Cosine of the angle between what a text gives swapped and dense. */
export interface Cosines {
  readonly mean: number;
  readonly least: number;
}

export interface LayerDrift {
  readonly layer: number;
  /** Share of texts for which sparse attention was chosen; the rest ran dense. */
  readonly sparse: number;
  /** Attention mass on the selected keys, mean over queries and heads of the texts that ran sparse. */
  readonly recall?: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of the attention's output on the same input, mean over heads and texts that ran sparse. */
  readonly error?: number;
  /** Share of keys computed for a query, residual groups included; 1 for dense. */
  readonly density: number;
}

export interface SwapVerification {
  readonly texts: number;
  /** Of the last hidden states, each text's taken as one vector. */
  readonly hidden: Cosines;
  readonly pooled?: Cosines;
  /** Where the model has a head. */
  readonly logits?: {
    /** Largest |swapped − dense|. */
    readonly maxAbsolute: number;
    /** ‖swapped − dense‖ ÷ ‖dense‖ over all texts. */
    readonly relative: number;
    /** Share of texts (of tokens or masks, where the head answers for each) whose largest logit is the same one. */
    readonly agreement: number;
  };
  /** The swapped layers. */
  readonly layers: readonly LayerDrift[];
}

/**
 * Runs texts with the model's attention as it stands and with the attention it was loaded with, and compares.
 *
 * Recall and error of a layer are taken on the inputs it gets in the swapped model. Costs several dense runs. The model
 * must not run otherwise meanwhile.
 */
export async function verifySwap(
  model: EncoderModel,
  texts: string | readonly TextInput[],
  { signal, progress }: VerifyOptions = {},
): Promise<SwapVerification> {
  const encoded = model.encode(texts);
  await fitOnFirstUse(model, encoded, signal);
  const swapped = model.encoder.layer.flatMap(({ index, attention, dense }) =>
    attention === dense ? [] : [{ index, attention, drift: new DriftSum() }],
  );
  const measuring = swapped.flatMap(({ attention }) => (attention instanceof FlashMLAAttention ? [attention] : []));
  const before = measuring.map((attention) => attention.measureRecall);
  const outputs = { hidden: new CosineSum(), pooled: new CosineSum() };
  const logits = new LogitSum();
  const lengths = encoded.map(({ ids }) => ids.length);
  const total = 2 * model.encoder.layer.length * lengths.reduce((sum, tokens) => sum + tokens, 0);
  const advance = stepper(progress, 'verify', total);
  try {
    for (const attention of measuring) attention.measureRecall = true;
    for (const numbers of planBatches(lengths)) {
      const batch = numbers.map((text) => encoded[text]!);
      const tokens = batch.reduce((sum, { ids }) => sum + ids.length, 0);
      const options = { signal, afterLayer: advance && (() => advance(tokens)) };
      const given = await outputsOf(model, batch, options);
      for (const { attention, drift } of swapped) {
        drift.add(attention instanceof FlashMLAAttention ? attention.statistics.last : undefined, batch.length, tokens);
      }
      const dense = await outputsOf(model, batch, { ...options, attention: (layer) => layer.dense });
      batch.forEach((_, row) => {
        outputs.hidden.add(given.hidden[row]!, dense.hidden[row]!);
        if (given.pooled && dense.pooled) outputs.pooled.add(given.pooled[row]!, dense.pooled[row]!);
      });
      for (const [number, row] of (dense.logits ?? []).entries()) logits.add(given.logits![number]!, row);
    }
  } finally {
    measuring.forEach((attention, i) => {
      attention.measureRecall = before[i]!;
    });
  }
  return {
    texts: encoded.length,
    hidden: outputs.hidden.result(),
    ...(outputs.pooled.count > 0 && { pooled: outputs.pooled.result() }),
    ...(logits.count > 0 && { logits: logits.result() }),
    layers: swapped.map(({ index, drift }) => ({ layer: index, ...drift.result() })),
  };
}

/** What each text of a batch gives, and each row of logits, padding left out. */
async function outputsOf(
  model: EncoderModel,
  batch: readonly EncodedText[],
  options: ForwardOptions & { signal: AbortSignal | undefined },
) {
  return model.forward(batch, options, async ({ hidden, pooled, logits }) => {
    const rows = async (source: typeof hidden, lengthOf: (row: number, width: number) => number) => {
      if (!source) return undefined;
      const values = await readFloat32(source);
      const width = values.length / batch.length;
      return batch.map((_, row) => values.subarray(row * width, row * width + lengthOf(row, width)));
    };
    const modelDim = model.architecture.modelDim;
    const whole = (_: number, width: number) => width;
    return {
      hidden: (await rows(hidden, (row) => batch[row]!.ids.length * modelDim))!,
      pooled: await rows(pooled, whole),
      logits: logits && logitRows(await readFloat32(logits), logits.shape, batch),
    };
  });
}

/** Rows of logits [batch, labels], [batch, tokens, labels] or [masks, vocabulary]. */
function logitRows(
  values: Float32Array,
  shape: readonly number[],
  batch: readonly EncodedText[],
): readonly Float32Array[] {
  const classes = shape.at(-1)!;
  const rows = Array.from({ length: values.length / classes }, (_, row) =>
    values.subarray(row * classes, (row + 1) * classes),
  );
  if (shape.length < 3) return rows;
  const tokens = shape[1]!;
  return rows.filter((_, row) => row % tokens < batch[Math.floor(row / tokens)]!.ids.length);
}

class CosineSum {
  count = 0;
  #sum = 0;
  #least = 1;

  add(a: Float32Array, b: Float32Array): void {
    let [product, squareA, squareB] = [0, 0, 0];
    for (let i = 0; i < a.length; i++) {
      product += a[i]! * b[i]!;
      squareA += a[i]! ** 2;
      squareB += b[i]! ** 2;
    }
    const cosine = product / Math.sqrt(squareA * squareB);
    this.count++;
    this.#sum += cosine;
    this.#least = Math.min(this.#least, cosine);
  }

  result(): Cosines {
    return { mean: this.count === 0 ? 1 : this.#sum / this.count, least: this.#least };
  }
}

class LogitSum {
  count = 0;
  #maxAbsolute = 0;
  #squaredDifference = 0;
  #squaredNorm = 0;
  #agreeing = 0;

  add(given: Float32Array, dense: Float32Array): void {
    dense.forEach((expected, label) => {
      const difference = given[label]! - expected;
      this.#maxAbsolute = Math.max(this.#maxAbsolute, Math.abs(difference));
      this.#squaredDifference += difference ** 2;
      this.#squaredNorm += expected ** 2;
    });
    this.count++;
    if (given.indexOf(Math.max(...given)) === dense.indexOf(Math.max(...dense))) this.#agreeing++;
  }

  result() {
    return {
      maxAbsolute: this.#maxAbsolute,
      relative: Math.sqrt(this.#squaredDifference / this.#squaredNorm),
      agreement: this.#agreeing / this.count,
    };
  }
}

/** One layer's figures over the batches; means weigh by what they are means over. */
class DriftSum {
  #texts = 0;
  #tokens = 0;
  #densityTokens = 0;
  #sparseTexts = 0;
  #sparseTokens = 0;
  #recallTokens = 0;
  #errorTexts = 0;

  /** @param call undefined for an attention that keeps no statistics */
  add(call: CallStatistics | undefined, texts: number, tokens: number): void {
    this.#texts += texts;
    this.#tokens += tokens;
    this.#densityTokens += (call?.density ?? 1) * tokens;
    if (call?.recall === undefined || call.error === undefined) return;
    this.#sparseTexts += texts;
    this.#sparseTokens += tokens;
    this.#recallTokens += call.recall * tokens;
    this.#errorTexts += call.error * texts;
  }

  result(): Omit<LayerDrift, 'layer'> {
    const isSparse = this.#sparseTexts > 0;
    return {
      sparse: this.#texts === 0 ? 0 : this.#sparseTexts / this.#texts,
      ...(isSparse && { recall: this.#recallTokens / this.#sparseTokens }),
      ...(isSparse && { error: this.#errorTexts / this.#sparseTexts }),
      density: this.#tokens === 0 ? 1 : this.#densityTokens / this.#tokens,
    };
  }
}
