// What a batch of encoded texts is to an encoder: ids, padded to the longest text, and which tokens are texts'; or the texts
// one after the other, packed.

import { type HostTensor, tensor } from '@flashmla/tensor';
import type { Architecture } from './architecture.ts';
import type { EncodedText } from './tokenizer.ts';

export interface BatchInputs {
  /** Of the longest text. */
  readonly tokens: number;
  /** The row of each text's first token. */
  readonly starts: Int32Array;
  readonly tokenIds: HostTensor; // int32 [batch, tokens], or packed [1, Σ tokens], and so are the others
  readonly positionIds: HostTensor;
  /** Absent for an architecture without token types. */
  readonly typeIds?: HostTensor;
  /** uint8: 1 = present, 0 = padding; absent where nothing is padded. */
  readonly keyMask?: HostTensor;
}

export function batchInputs(
  architecture: Pick<Architecture, 'firstPosition' | 'padToken' | 'skipsPadTokens' | 'types' | 'vocabulary'>,
  texts: readonly Pick<EncodedText, 'ids' | 'types'>[],
  { packed = false }: { packed?: boolean } = {},
): BatchInputs {
  const { padToken, types, vocabulary } = architecture;
  const tokens = texts.reduce((longest, { ids }) => Math.max(longest, ids.length), 0);
  const starts = new Int32Array(texts.length);
  let end = 0;
  texts.forEach(({ ids }, index) => {
    starts[index] = end;
    end += packed ? ids.length : tokens;
  });
  const shape = packed ? [1, end] : [texts.length, tokens];
  const tokenIds = new Int32Array(end).fill(padToken < vocabulary ? padToken : 0);
  const positionIds = new Int32Array(tokenIds.length);
  const typeIds = new Int32Array(tokenIds.length);
  const present = new Uint8Array(tokenIds.length);
  texts.forEach((text, index) => {
    const from = starts[index]!;
    tokenIds.set(text.ids, from);
    positionIds.set(positionsOf(architecture, text.ids), from);
    if (types > 1) typeIds.set(text.types, from);
    present.fill(1, from, from + text.ids.length);
  });
  return {
    tokens,
    starts,
    tokenIds: tensor(tokenIds, shape),
    positionIds: tensor(positionIds, shape),
    ...(types > 0 && { typeIds: tensor(typeIds, shape) }),
    ...(present.includes(0) && { keyMask: tensor(present, shape) }),
  };
}

function positionsOf(
  { firstPosition, skipsPadTokens, padToken }: Pick<Architecture, 'firstPosition' | 'skipsPadTokens' | 'padToken'>,
  ids: Int32Array,
): Int32Array {
  let next = firstPosition;
  return ids.map((id) => (skipsPadTokens && id === padToken ? firstPosition - 1 : next++));
}
