// How much of attention a run computed.

import { FlashMLAAttention } from '@flashmla/attention';
import type { EncoderModel } from './model.ts';

/**
 * Share of keys that the model's last run computed for a query, residual groups included, mean over the layers in which all
 * tokens ask: the last layer of a classifier may have computed the one token that is read, which is next to nothing.
 */
export function keysShare(model: EncoderModel): number {
  const shares = model.encoder.layer.flatMap(({ attention }) => {
    const last = attention instanceof FlashMLAAttention ? attention.statistics.last : undefined;
    return last && last.queries < last.tokens ? [] : [last?.density ?? 1];
  });
  return shares.length === 0 ? 1 : shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
