// What a model is trained on: an encoded text and what is to be learned of it.

import type { EncodedText } from '@flashmla/model-swap';

export interface Example extends Pick<EncodedText, 'ids' | 'types'> {
  /**
   * By the head: the number of the class, or the score where there is one label; int32 [tokens], the class of each token
   * and −100 where there is none; nothing for a masked language model.
   */
  readonly target?: number | Int32Array;
}
