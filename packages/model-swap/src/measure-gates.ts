// How well the gates of a swapped model select, layer by layer and head by head, beside the best and the plainest there is.

import { FlashMLAAttention } from '@flashmla/attention';
import {
  ContentGate,
  type Gate,
  type HeadQualities,
  keysOfHeads,
  type LayerSample,
  type MeasureGateOptions,
  measureGate,
  OracleGate,
  recommendK,
  StaticGate,
} from '@flashmla/gating';
import { fitOnFirstUse } from './fit.ts';
import type { EncoderModel, RunInput } from './model.ts';
import { type ProgressListener, stepper } from './progress.ts';
import { sampleLayers } from './sample-layers.ts';

export interface GateMeasure {
  readonly layer: number;
  readonly head: number;
  /** Share of dense attention on the selected keys; mean over the queries of a text, then over the texts. */
  readonly recall: number;
  /** The same for the true top of the logits (OracleGate): no list of as many keys holds more. */
  readonly oracleRecall: number;
  /** The same for a window and the first token (StaticGate): what needs no gate. */
  readonly staticRecall: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of the attention's output on the same input. */
  readonly error: number;
}

export interface MeasureGatesOptions {
  /** Tokens to use of each text, from its beginning; default: all that the model takes. */
  maxTokens?: number;
  signal?: AbortSignal;
  progress?: ProgressListener;
}

/**
 * Measures the gate of every swapped layer on what the layer reads under dense attention, at the k in use. Texts of k
 * tokens or fewer are left out: they run dense. No entries where none is longer.
 */
export async function measureGates(
  model: EncoderModel,
  texts: RunInput,
  { maxTokens, signal, progress }: MeasureGatesOptions = {},
): Promise<GateMeasure[]> {
  const encoded = model.encode(texts, { ...(maxTokens !== undefined && { maxTokens }) });
  await fitOnFirstUse(model, encoded, signal);
  const { heads, headDim } = model.architecture;
  const swapped = model.encoder.layer.flatMap((layer) =>
    layer.attention instanceof FlashMLAAttention ? [{ layer, attention: layer.attention }] : [],
  );
  const sums = new Map(swapped.map(({ layer }) => [layer, { texts: 0, heads: emptySums(heads) }]));
  const advance = stepper(progress, 'verify', encoded.length);
  for (const text of encoded) {
    const samples: { attention: FlashMLAAttention; sum: { texts: number; heads: Sum[] }; sample: LayerSample }[] = [];
    await sampleLayers(
      model,
      text,
      new Set(sums.keys()),
      ['query', 'key', 'value', 'hidden'],
      signal,
      (layer, sample) =>
        samples.push({ attention: layer.attention as FlashMLAAttention, sum: sums.get(layer)!, sample }),
    );
    for (const { attention, sum, sample } of samples) {
      const k = attention.k ?? recommendK(sample.tokens);
      if (sample.tokens <= k) continue;
      const options = { backend: model.backend, heads, headDim, signal };
      using oracle = new OracleGate();
      using fixed = new StaticGate();
      const keys = keysOf(attention.gate, k, heads);
      const own = await measureGate(attention.gate, [sample], { ...options, k: () => k });
      const best = await measureHeads(oracle, keys, sample, options);
      const plain = await measureHeads(fixed, keys, sample, options);
      sum.texts++;
      sum.heads.forEach((head, i) => {
        head.recall += own[i]!.recall;
        head.error += own[i]!.error;
        head.oracleRecall += best[i]!.recall;
        head.staticRecall += plain[i]!.recall;
      });
    }
    advance?.(1);
  }
  return [...sums].flatMap(([layer, { texts: count, heads: all }]) =>
    count === 0
      ? []
      : all.map((sum, head) => ({
          ...{ layer: layer.index, head, recall: sum.recall / count, oracleRecall: sum.oracleRecall / count },
          ...{ staticRecall: sum.staticRecall / count, error: sum.error / count },
        })),
  );
}

/** Keys that each head selects. */
function keysOf(gate: Gate, k: number, heads: number): number[] {
  // An unfitted gate has no shares; it fits itself when it selects.
  const shares = gate instanceof ContentGate && gate.fitted ? gate.state().shares : undefined;
  return keysOfHeads(k, shares ?? new Array<number>(heads).fill(1));
}

/** A gate without budgets, measured in each head with as many keys as are given for it. */
async function measureHeads(
  gate: Gate,
  keys: readonly number[],
  sample: LayerSample,
  options: Omit<MeasureGateOptions, 'k'>,
): Promise<HeadQualities> {
  const byKeys = new Map<number, HeadQualities>();
  for (const k of new Set(keys)) byKeys.set(k, await measureGate(gate, [sample], { ...options, k: () => k }));
  return keys.map((k, head) => byKeys.get(k)![head]!);
}

type Sum = Record<'recall' | 'oracleRecall' | 'staticRecall' | 'error', number>;

const emptySums = (heads: number): Sum[] =>
  Array.from({ length: heads }, () => ({ recall: 0, oracleRecall: 0, staticRecall: 0, error: 0 }));
