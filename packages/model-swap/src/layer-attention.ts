// How the layers of a model attend, as plain data: what is written beside a model, and set when it is loaded again. What a
// gate has learned is apart from it, in EncoderModel.gates.

import { FlashMLAAttention } from '@flashmla/attention';
import { BlockGate, ContentGate, type ContentShape, type GateName, gateNames } from '@flashmla/gating';
import { FlashMLAError, type Precision, precisions } from '@flashmla/tensor';
import type { EncoderLayer } from './layer.ts';
import type { EncoderModel } from './model.ts';

export interface GatedAttention {
  readonly gate: GateName;
  /** Keys a query selects, the mean over the heads where the gate has shares. Absent: by length. */
  readonly k?: number;
  /** Of a content gate. Absent: whichever is faster. */
  readonly shape?: ContentShape;
  /** Tokens of a block of a block gate. */
  readonly block?: number;
  /** Fewer tokens than this run dense. Absent: measured. */
  readonly crossover?: number;
}

export type LayerAttention = 'dense' | GatedAttention;

/** What was chosen for a model as a whole. */
export interface ModelAttention {
  /** What weights and activations are kept in. */
  readonly dtype: Precision;
  /** One for each layer. */
  readonly layers: readonly LayerAttention[];
}

/**
 * How the model attends now.
 *
 * @throws FlashMLAError 'unsupported' for a layer with a module that is neither its own dense one nor a FlashMLAAttention
 */
export const attentionOf = (model: EncoderModel): ModelAttention => ({
  dtype: model.dtype,
  layers: model.encoder.layer.map(layerAttention),
});

function layerAttention({ index, attention, dense }: EncoderLayer): LayerAttention {
  if (attention === dense) return 'dense';
  if (!(attention instanceof FlashMLAAttention)) {
    throw new FlashMLAError(
      'unsupported',
      `[model-swap] layer ${index} has an attention of the caller's own making, which can't be described; give it a FlashMLAAttention, or its dense one.`,
    );
  }
  const { gate, k, crossover } = attention;
  return {
    gate: gate.name,
    ...(k !== undefined && { k }),
    ...(gate instanceof ContentGate && gate.shape !== 'auto' && { shape: gate.shape }),
    ...(gate instanceof BlockGate && { block: gate.block }),
    ...(crossover !== undefined && { crossover }),
  };
}

/** Lets each layer attend as `layers` say; gates take what the model knows of them. */
export function setAttention(model: EncoderModel, layers: readonly LayerAttention[]): void {
  const { modelDim: dim, heads } = model.architecture;
  const modules = layers.map((one) => (one === 'dense' ? undefined : new FlashMLAAttention({ dim, heads, ...one })));
  for (const [index, layer] of model.encoder.layer.entries()) layer.attention = modules[index] ?? layer.dense;
}

/** Whether `value` is what `attentionOf` gives for a model of so many layers. */
export function isModelAttention(value: unknown, layerCount: number): value is ModelAttention {
  const { dtype, layers } = (value ?? {}) as Partial<ModelAttention>;
  return (
    (precisions as readonly unknown[]).includes(dtype) &&
    Array.isArray(layers) &&
    layers.length === layerCount &&
    layers.every((one) => one === 'dense' || isGated(one))
  );
}

function isGated(value: unknown): boolean {
  const { gate, k, shape, block, crossover } = (value ?? {}) as Record<string, unknown>;
  const isWhole = (number: unknown, least: number) =>
    number === undefined || (Number.isSafeInteger(number) && (number as number) >= least);
  const fitsShape = shape === undefined || (gate === 'content' && (shape === 'lists' || shape === 'blocks'));
  const fitsBlock = block === undefined || gate === 'block';
  return (
    (gateNames as readonly unknown[]).includes(gate) &&
    isWhole(k, 1) &&
    isWhole(block, 1) &&
    isWhole(crossover, 0) &&
    fitsShape &&
    fitsBlock
  );
}
