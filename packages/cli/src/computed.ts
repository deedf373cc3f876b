// What the layers of a model did with the last text.

import { FlashMLAAttention } from '@flashmla/attention';
import type { EncoderModel } from '@flashmla/model-swap';

export interface Computed {
  /** Keys a query attended to; null where all of the model ran dense. */
  readonly k: number | null;
  /** Share of keys computed for a query, residual groups included, mean over the layers. */
  readonly density: number;
}

export function computed(model: EncoderModel): Computed {
  const calls = model.encoder.layer.map(({ attention }) =>
    attention instanceof FlashMLAAttention ? attention.statistics.last : undefined,
  );
  const density = calls.reduce((sum, call) => sum + (call?.density ?? 1), 0) / calls.length;
  return { k: calls.find((call) => call?.chosen === 'sparse')?.k ?? null, density };
}
