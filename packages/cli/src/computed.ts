// What the layers of a model did with the last text.

import { FlashMLAAttention } from '@flashmla/attention';
import { type EncoderModel, keysShare } from '@flashmla/model-swap';

export interface Computed {
  /** Keys a query attended to; null where all of the model ran dense. */
  readonly k: number | null;
  /** See `keysShare`. */
  readonly density: number;
}

export function computed(model: EncoderModel): Computed {
  const calls = model.encoder.layer.map(({ attention }) =>
    attention instanceof FlashMLAAttention ? attention.statistics.last : undefined,
  );
  return { k: calls.find((call) => call?.chosen === 'sparse')?.k ?? null, density: keysShare(model) };
}
