// Gates that learn, and the model whose heads they learn from.

import { BlockGate, type CalibrationModel, ContentGate, type LearnableGate, SlotGate } from '@flashmla/gating';
import type { EncoderModel } from '@flashmla/model-swap';

export interface Subject {
  readonly name: string;
  readonly k: number;
  /** Factor of all logits: a stand-in for sharper heads. */
  readonly sharpness: number;
  readonly gate: () => LearnableGate;
}

const sharpnesses = [1, 3];

export const subjects: readonly Subject[] = sharpnesses.flatMap((sharpness) => [
  ...[8, 16, 32].flatMap((k) =>
    [4, 8].map((rank) => ({
      name: `content lists, ${rank} dimensions`,
      ...{ k, sharpness, gate: () => new ContentGate({ rank, shape: 'lists' }) },
    })),
  ),
  { name: 'content blocks, 4 dimensions', k: 64, sharpness, gate: () => new ContentGate({ rank: 4, shape: 'blocks' }) },
  { name: 'block', k: 64, sharpness, gate: () => new BlockGate() },
  { name: 'slot', k: 64, sharpness, gate: () => new SlotGate() },
]);

/** The model with gates of the subject in every layer and its queries scaled; nothing of the model itself changes. */
export function withGates(model: EncoderModel, { gate, k, sharpness }: Omit<Subject, 'name'>): CalibrationModel {
  const { heads, headDim } = model.architecture;
  const gates = model.encoder.layer.map(gate);
  return {
    backend: model.backend,
    gatedLayers: () => gates.map((own, layer) => ({ layer, gate: own, k, heads, headDim, remember: () => {} })),
    sampleLayer: (layer, texts, options, use) =>
      model.sampleLayer(layer, texts, options, (sample) =>
        use({ ...sample, query: sample.query.map((value) => sharpness * value) }),
      ),
  };
}
