// Which layers of a model have a gate that has, or can have, learned something.

import { FlashMLAAttention } from '@flashmla/attention';
import { ContentGate, isLearnable, type LearnableGate } from '@flashmla/gating';
import type { EncoderLayer } from './layer.ts';
import type { EncoderModel } from './model.ts';

export interface LayerGate<Kind extends LearnableGate = LearnableGate> {
  readonly layer: EncoderLayer;
  readonly attention: FlashMLAAttention;
  readonly gate: Kind;
}

export function learnableGates(model: EncoderModel): LayerGate[] {
  return model.encoder.layer.flatMap((layer) => {
    const { attention } = layer;
    if (!(attention instanceof FlashMLAAttention)) return [];
    const { gate } = attention;
    return isLearnable(gate) ? [{ layer, attention, gate }] : [];
  });
}

/** Those that are fitted without learning. */
export const contentGates = (model: EncoderModel): LayerGate<ContentGate>[] =>
  learnableGates(model).filter((one): one is LayerGate<ContentGate> => one.gate instanceof ContentGate);
