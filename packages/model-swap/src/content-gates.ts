// Which layers of a model have a ContentGate, fitted or not.

import { FlashMLAAttention } from '@flashmla/attention';
import { ContentGate } from '@flashmla/gating';
import type { EncoderLayer } from './layer.ts';
import type { EncoderModel } from './model.ts';

export interface GatedLayer {
  readonly layer: EncoderLayer;
  readonly attention: FlashMLAAttention;
  readonly gate: ContentGate;
}

export function contentGates(model: EncoderModel): GatedLayer[] {
  return model.encoder.layer.flatMap((layer) => {
    const { attention } = layer;
    if (!(attention instanceof FlashMLAAttention)) return [];
    const { gate } = attention;
    return gate instanceof ContentGate ? [{ layer, attention, gate }] : [];
  });
}
