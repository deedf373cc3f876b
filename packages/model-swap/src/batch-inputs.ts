// What a batch of encoded texts is to an encoder: ids padded to the longest text, and which tokens are texts'.

import { type HostTensor, tensor } from '@flashmla/tensor';
import type { Architecture } from './architecture.ts';
import type { EncodedText } from './tokenizer.ts';

export interface BatchInputs {
  /** Of the longest text. */
  readonly tokens: number;
  readonly tokenIds: HostTensor; // int32 [batch, tokens]
  readonly positionIds: HostTensor; // int32 [batch, tokens]
  /** int32 [batch, tokens]; absent for an architecture without token types. */
  readonly typeIds?: HostTensor;
  /** uint8 [batch, tokens]: 1 = present, 0 = padding; absent where all texts are as long as the longest. */
  readonly keyMask?: HostTensor;
}

export function batchInputs(
  architecture: Pick<Architecture, 'firstPosition' | 'padToken' | 'skipsPadTokens' | 'types' | 'vocabulary'>,
  texts: readonly Pick<EncodedText, 'ids' | 'types'>[],
): BatchInputs {
  const { padToken, types, vocabulary } = architecture;
  const tokens = texts.reduce((longest, { ids }) => Math.max(longest, ids.length), 0);
  const shape = [texts.length, tokens];
  const tokenIds = new Int32Array(texts.length * tokens).fill(padToken < vocabulary ? padToken : 0);
  const positionIds = new Int32Array(tokenIds.length);
  const typeIds = new Int32Array(tokenIds.length);
  const present = new Uint8Array(tokenIds.length);
  texts.forEach((text, index) => {
    const from = index * tokens;
    tokenIds.set(text.ids, from);
    positionIds.set(positionsOf(architecture, text.ids), from);
    if (types > 1) typeIds.set(text.types, from);
    present.fill(1, from, from + text.ids.length);
  });
  return {
    tokens,
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
