// Fitting the content gates of a model to the queries and keys that its own layers make of sample texts.

import { type ContentGate, type FitSample, recommendK } from '@flashmla/gating';
import { FlashMLAError } from '@flashmla/tensor';
import { contentGates, type LayerGate } from './gated-layers.ts';
import type { EncoderLayer } from './layer.ts';
import type { EncoderModel } from './model.ts';
import { type ProgressListener, stepper } from './progress.ts';
import { sampleLayers } from './sample-layers.ts';
import { sampleTexts } from './sample-texts.ts';
import type { EncodedText, TextInput } from './tokenizer.ts';
import { unlessAborted } from './unless-aborted.ts';

export interface FitGatesOptions {
  /** Tokens to use of each text, from its beginning; default 512. */
  tokensPerText?: number;
  signal?: AbortSignal;
  progress?: ProgressListener;
}

export interface FitReport {
  /** Layers whose gates were fitted. */
  readonly layers: number[];
  /** Tokens of all texts. */
  readonly tokens: number;
}

/** Tokens that gates are fitted to on a model's first sparse run: enough for 64 dimensions a head, done in moments. */
const FIRST_USE_TOKENS = 1024;

/**
 * Fits every ContentGate of the swapped layers, also those that are fitted, to the queries and keys of these texts under
 * dense attention. The model keeps the result for later swaps; `saveGates` stores it.
 *
 * @param texts like those the model will see, longer ones above all; default: the package's own, in English
 * @throws FlashMLAError 'invalid-argument' when there are no texts; the signal's reason: gates fitted by then stay so
 */
export async function fitGates(
  model: EncoderModel,
  texts: readonly TextInput[] = sampleTexts,
  { tokensPerText = 512, signal, progress }: FitGatesOptions = {},
): Promise<FitReport> {
  const gated = contentGates(model);
  if (texts.length === 0) {
    throw new FlashMLAError('invalid-argument', '[model-swap] no texts to fit gates to; give some, or leave them out.');
  }
  const encoded = model.encode(texts, { maxTokens: tokensPerText });
  if (gated.length > 0) await fitLayers(model, gated, encoded, signal, progress);
  return { layers: gated.map(({ layer }) => layer.index), tokens: countTokens(encoded) };
}

/** The fit under way of each model; runs that need it wait for the same one. */
const fitting = new WeakMap<EncoderModel, Promise<void>>();

/**
 * Fits gates that were swapped in unfitted, when one of `texts` is the first that is long enough to use them: to the
 * first thousand tokens of the package's own texts, so that results do not depend on what runs first.
 */
export async function fitOnFirstUse(
  model: EncoderModel,
  texts: readonly EncodedText[],
  signal?: AbortSignal,
): Promise<void> {
  const isLongEnough = ({ attention }: LayerGate) =>
    texts.some(
      ({ ids: { length } }) => length > (attention.k ?? recommendK(length)) && length >= (attention.crossover ?? 0),
    );
  if (!contentGates(model).some((gated) => !gated.gate.fitted && isLongEnough(gated))) return;
  let fit = fitting.get(model);
  if (!fit) {
    // Not stopped by the signal: other runs may wait for it too.
    fit = fitUnfitted(model).finally(() => fitting.delete(model));
    fitting.set(model, fit);
  }
  await unlessAborted(fit, signal);
}

async function fitUnfitted(model: EncoderModel): Promise<void> {
  const encoded: EncodedText[] = [];
  for (const text of sampleTexts) {
    const left = FIRST_USE_TOKENS - countTokens(encoded);
    if (left < FIRST_USE_TOKENS / 8) break;
    encoded.push(...model.encode(text, { maxTokens: left }));
  }
  const unfitted = contentGates(model).filter(({ gate }) => !gate.fitted);
  await fitLayers(model, unfitted, encoded);
}

async function fitLayers(
  model: EncoderModel,
  gated: readonly LayerGate<ContentGate>[],
  texts: readonly EncodedText[],
  signal?: AbortSignal,
  progress?: ProgressListener,
): Promise<void> {
  const samples = new Map<EncoderLayer, FitSample[]>(gated.map(({ layer }) => [layer, []]));
  const advance = stepper(progress, 'fit', 2 * gated.length * countTokens(texts));
  for (const text of texts) {
    await sampleLayers(model, text, new Set(samples.keys()), ['query', 'key'], signal, (layer, sample) => {
      samples.get(layer)!.push(sample);
      advance?.(sample.tokens);
    });
  }
  const { heads, headDim } = model.architecture;
  for (const { layer, attention, gate } of gated) {
    await gate.fit(samples.get(layer)!, { heads, headDim }, { k: attention.k, signal });
    model.gates.set(layer.index, gate.state());
    samples.delete(layer);
    advance?.(countTokens(texts));
  }
}

const countTokens = (texts: readonly EncodedText[]): number => texts.reduce((sum, { ids }) => sum + ids.length, 0);
