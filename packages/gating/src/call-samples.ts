// Samples to fit a gate on, taken from a call's own queries and keys. Only the sampled rows leave the device.

import { type DeviceTensor, readFloat32, tensor } from '@flashmla/tensor';
import { evenly } from './evenly.ts';
import type { FitSample } from './fit-samples.ts';
import type { GateCall } from './gate-call.ts';

const tokensPerText = 1024;
const mostTexts = 4;

/** Up to 1024 present tokens, evenly spaced, of up to 4 texts of the batch; none where no token is present. */
export async function samplesOfCall(call: GateCall): Promise<FitSample[]> {
  const { batch, queries, keys, masks } = call;
  const keyMask = masks && ((await masks.keyMask.data()) as Uint8Array);
  const queryMask = masks && ((await masks.queryMask.data()) as Uint8Array);
  const samples: FitSample[] = [];
  for (const text of evenly(range(batch), mostTexts)) {
    const presentKeys = present(keyMask, text, keys);
    const presentQueries = present(queryMask, text, queries);
    if (presentKeys.length === 0 || presentQueries.length === 0) continue;
    const keyTokens = evenly(presentKeys, tokensPerText);
    samples.push({
      query: await rowsOf(call, call.query, text, queries, evenly(presentQueries, tokensPerText)),
      key: await rowsOf(call, call.key, text, keys, keyTokens),
      tokens: keyTokens.length,
      sampledFrom: presentKeys.length,
    });
  }
  return samples;
}

/** Rows [tokens, heads, headDim] of one text. */
async function rowsOf(call: GateCall, source: DeviceTensor, text: number, tokens: number, picked: readonly number[]) {
  const { batch, heads, headDim, dtype, layout } = call;
  const tokensFirst = layout === 'tokens-first';
  const rowIds = tokensFirst
    ? picked.map((token) => text * tokens + token)
    : picked.flatMap((token) => range(heads).map((head) => (text * heads + head) * tokens + token));
  const vocabulary = batch * tokens * (tokensFirst ? 1 : heads);
  const modelDim = tokensFirst ? heads * headDim : headDim;
  const tokenIds = call.upload(tensor(Int32Array.from(rowIds), [rowIds.length]));
  const { output } = await call.run(
    { op: 'embedding', rows: rowIds.length, modelDim, vocabulary, positions: 0, types: 0, dtype },
    { tokenIds, word: source },
  );
  const rows = await readFloat32(output);
  call.release(tokenIds, output);
  return rows;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function present(mask: Uint8Array | undefined, text: number, tokens: number): number[] {
  return range(tokens).filter((token) => mask?.[text * tokens + token] !== 0);
}
