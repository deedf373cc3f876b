// The floors: residual groups in the gate's content order as ever, but the keys that truly hold most attention are
// selected. They tell what a gate misses from what the texts make hard. All scores of one text, on the host.

import { type ContentGate, OracleGate } from '@flashmla/gating';
import { type Selection, selection } from '@flashmla/tensor';
import type { GateInputs, Selector } from './selector.ts';

/** The true top k of each query instead of the lists that `gate` selects. Takes the gate over. */
export function trueLists(gate: ContentGate): Selector {
  const oracle = new OracleGate({ k: gate.k });
  return {
    async select(inputs) {
      using given = await gate.select(inputs);
      using best = await oracle.select(inputs);
      const keys = (await best.indices.data()) as Int32Array;
      const keyOrder = (await given.keyOrder!.data()) as Int32Array;
      const [, heads, queries, slots] = best.indices.shape;
      const indices = new Int32Array(keys.length);
      for (let head = 0; head < heads; head++) {
        const place = placesOf(keyOrder, heads, head);
        for (let row = head * queries; row < (head + 1) * queries; row++) {
          const list = keys.subarray(row * slots, (row + 1) * slots).map((key) => place[key]);
          indices.set(list.sort(), row * slots);
        }
      }
      return selection({ ...sizesOf(given), indices, keyOrder });
    },
    [Symbol.dispose]() {
      oracle.dispose();
      gate.dispose();
    },
  };
}

/** The blocks of most attention of each tile instead of those that `gate` selects. Takes the gate over. */
export function trueBlocks(gate: ContentGate): Selector {
  return {
    async select(inputs) {
      using given = await gate.select(inputs);
      const keyOrder = (await given.keyOrder!.data()) as Int32Array;
      const queryOrder = (await given.queryOrder!.data()) as Int32Array;
      const { tileQueries, blockKeys } = given;
      const [, heads, tiles, slots] = given.indices.shape;
      const tokens = keyOrder.length / heads;
      const attention = await attentionRows(inputs);
      const indices = new Int32Array(heads * tiles * slots);
      for (let head = 0; head < heads; head++) {
        const place = placesOf(keyOrder, heads, head);
        const queries = queryOrder.subarray(head * tokens, (head + 1) * tokens);
        for (let tile = 0; tile < tiles; tile++) {
          const mass = new Array<number>(Math.ceil(tokens / blockKeys)).fill(0);
          for (const query of queries.subarray(tile * tileQueries, (tile + 1) * tileQueries)) {
            for (const [key, share] of attention(head, query).entries()) {
              mass[Math.floor(place[key] / blockKeys)] += share;
            }
          }
          const best = [...mass.keys()].sort((a, b) => mass[b] - mass[a]).slice(0, slots);
          indices.set(Int32Array.from(best).sort(), (head * tiles + tile) * slots);
        }
      }
      return selection({ ...sizesOf(given), indices, keyOrder, queryOrder });
    },
    [Symbol.dispose]: () => gate.dispose(),
  };
}

function sizesOf({ tileQueries, blockKeys, residualGroup, indices }: Selection) {
  const [batch, heads, tiles, slots] = indices.shape;
  return { tileQueries, blockKeys, residualGroup, shape: [batch, heads, tiles, slots] as const };
}

/** Key → its position in one head of keyOrder [heads, keys]. */
function placesOf(keyOrder: Int32Array, heads: number, head: number): Int32Array {
  const keys = keyOrder.length / heads;
  const places = new Int32Array(keys);
  for (let position = 0; position < keys; position++) places[keyOrder[head * keys + position]] = position;
  return places;
}

/** softmax(scale · q·k) of one query of a head over all keys; queries and keys [1, tokens, heads, headDim]. */
async function attentionRows({ query, key, scale = 1 }: GateInputs) {
  const [queries, keys] = (await Promise.all([query.data(), key.data()])) as [Float32Array, Float32Array];
  const [, tokens, heads, headDim] = query.shape;
  return (head: number, row: number): Float64Array => {
    const start = (row * heads + head) * headDim;
    const logits = new Float64Array(tokens);
    for (let token = 0; token < tokens; token++) {
      const other = (token * heads + head) * headDim;
      for (let i = 0; i < headDim; i++) logits[token] += scale * queries[start + i] * keys[other + i];
    }
    const largest = logits.reduce((most, logit) => Math.max(most, logit));
    const weights = logits.map((logit) => Math.exp(logit - largest));
    const total = weights.reduce((sum, weight) => sum + weight);
    return weights.map((weight) => weight / total);
  };
}
