// Exchanging the attention of a model's layers, and putting it back.

import { FlashMLAAttention } from '@flashmla/attention';
import { ContentGate, type ContentShape, type Gate, type GateName } from '@flashmla/gating';
import { describeValue, FlashMLAError } from '@flashmla/tensor';
import { setAttention } from './layer-attention.ts';
import type { EncoderModel } from './model.ts';

export interface SwapOptions {
  /** Keys a query selects; default: by length, see `recommendK`. */
  k?: number;
  /** The gate of each layer: by name, or made by the caller, who then also disposes it. Default 'content'. */
  gate?: GateName | ((layer: number) => Gate);
  /** Of the content gate's selections; default 'auto': whichever is faster here. */
  shape?: ContentShape | 'auto';
  /** Layers to swap; default: all. */
  layers?: readonly number[];
  /** Fewer tokens than this run dense; 0 = always sparse. Default: measured once per device and shape. */
  crossover?: number;
}

export interface SwappedLayer {
  readonly layer: number;
  readonly gate: GateName;
  /** Absent: by length. */
  readonly k?: number;
  /** Absent: measured. */
  readonly crossover?: number;
  /** Whether the gate still has to be fitted; the model's first run that needs it does so. */
  readonly needsFit: boolean;
}

export interface SwapReport {
  /** What was swapped, in the order of the layers. */
  readonly layers: readonly SwappedLayer[];
  /** Layers that were left as they are. */
  readonly unchanged: readonly number[];
}

/**
 * Gives layers of `model` a FlashMLAAttention over their own weights; nothing else of the model changes. Without options, a
 * model for which it was chosen how each layer attends (`model.chosen`) attends so; any option says it anew for all.
 *
 * @throws FlashMLAError 'invalid-argument' for a layer that is not there or options that make no sense; nothing has
 *   changed then
 */
export function swapAttention(model: EncoderModel, options: SwapOptions = {}): SwapReport {
  if (model.chosen && Object.values(options).every((option) => option === undefined)) {
    const { layers: each } = model.chosen;
    setAttention(model, each);
    return reportOf(model, (layer) => each[layer] !== 'dense');
  }
  const { k, gate, shape, layers, crossover } = options;
  const all = model.encoder.layer;
  if (layers !== undefined && !Array.isArray(layers)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[model-swap] layers is ${describeValue(layers)}; expected a list of numbers, such as [0, 1].`,
    );
  }
  const chosen = [...new Set(layers ?? all.keys())].sort((a, b) => a - b);
  for (const index of chosen) {
    if (Number.isSafeInteger(index) && all[index]) continue;
    throw new FlashMLAError(
      'invalid-argument',
      `[model-swap] layer ${typeof index === 'number' ? index : describeValue(index)} was to be swapped; this model has ` +
        `the layers 0 to ${all.length - 1}.`,
    );
  }
  const { modelDim: dim, heads } = model.architecture;
  const given = new Set<Gate>();
  const made = chosen.map((index) => {
    const layerGate = typeof gate === 'function' ? gate(index) : gate;
    if (layerGate instanceof ContentGate && given.size === given.add(layerGate).size) {
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] layer ${index} was given the content gate of another layer; make one for each, they are fitted to it.`,
      );
    }
    const attention = new FlashMLAAttention({
      dim,
      heads,
      ...(k !== undefined && { k }),
      ...(layerGate !== undefined && { gate: layerGate }),
      ...(shape !== undefined && { shape }),
      ...(crossover !== undefined && { crossover }),
    });
    return { index, attention };
  });
  for (const { index, attention } of made) all[index]!.attention = attention;
  return reportOf(model, (layer) => chosen.includes(layer));
}

function reportOf(model: EncoderModel, wasSwapped: (layer: number) => boolean): SwapReport {
  const swapped = model.encoder.layer.filter(({ index }) => wasSwapped(index));
  return {
    layers: swapped.flatMap(({ index, attention }) => {
      if (!(attention instanceof FlashMLAAttention)) return [];
      const { gate, k, crossover } = attention;
      return {
        ...{ layer: index, gate: gate.name, needsFit: gate instanceof ContentGate && gate.needsFit },
        ...(k !== undefined && { k }),
        ...(crossover !== undefined && { crossover }),
      };
    }),
    unchanged: model.encoder.layer.flatMap(({ index }) => (wasSwapped(index) ? [] : [index])),
  };
}

/** Puts every layer's own attention back: the model is then, bit for bit, what it was before. */
export function restoreAttention(model: EncoderModel): void {
  for (const layer of model.encoder.layer) layer.attention = layer.dense;
}
