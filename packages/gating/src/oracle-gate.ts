// OracleGate: the true top-k of the logits, the ceiling that every other gate is compared with.

import { type DeviceTensor, type HostTensor, type Selection, selectionOf, tensor } from '@flashmla/tensor';
import { DeviceCache } from './device-cache.ts';
import type { Gate, GateInputs } from './gate.ts';
import { checkK, type GateCall, withCall } from './gate-call.ts';

export interface OracleGateOptions {
  /** Selected tokens per query; default `recommendK` of each call's keys. */
  k?: number | undefined;
}

/**
 * Selects the k keys of largest q·k for each query, as single keys. Exact, and as expensive as dense attention's scores:
 * O(queries · keys · headDim), though no queries × keys buffer is kept. For comparisons.
 */
export class OracleGate implements Gate {
  readonly name = 'oracle';
  readonly k: number | undefined;
  readonly needsHidden = false;
  readonly needsFit = false;
  readonly #cache = new DeviceCache();

  constructor({ k }: OracleGateOptions = {}) {
    if (k !== undefined) checkK(this.name, k);
    this.k = k;
  }

  async select(inputs: GateInputs): Promise<Selection> {
    return withCall(this, inputs, async (call) => {
      const { batch, heads, queries, keys, causal, masks } = call;
      const query = await this.#headsFirst(call, call.query, queries);
      const key = await this.#headsFirst(call, call.key, keys);
      const { indices } = await call.run(
        {
          ...{ op: 'select-top-k', batch, heads, queries, keys, rank: query.shape[3], tileQueries: 1, blockKeys: 1 },
          ...{
            slots: Math.min(call.k, keys),
            headSlots: false,
            keyOrder: false,
            queryOrder: false,
            mask: masks !== undefined,
            causal,
          },
          ...{ forceFirst: 0, forceDiagonal: 0, biasSpan: -1, coarseBlocks: 0, coarseSlots: 0 },
        },
        { query, key, ...masks },
      );
      return selectionOf({ tileQueries: 1, blockKeys: 1, indices, residualGroup: 0 });
    });
  }

  dispose(): void {
    this.#cache.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * f32 [batch, heads, tokens, rank] with rank = headDim, or headDim and zeros up to a multiple of 4: what select-top-k reads.
   * A gate projection by the identity brings other data there, on the device.
   */
  async #headsFirst(call: GateCall, input: DeviceTensor, tokens: number): Promise<DeviceTensor> {
    const { batch, heads, headDim, dtype, layout, backend } = call;
    const rank = 4 * Math.ceil(headDim / 4);
    if (layout === 'heads-first' && rank === headDim && dtype === 'float32') return input;
    const { output } = await call.run(
      { op: 'gate-projection', batch, heads, tokens, features: headDim, rank, dtype, layout },
      {
        input,
        map: this.#cache.get(backend, `identity ${heads} ${headDim}`, () => identityMaps(heads, headDim, rank)),
      },
    );
    return output;
  }
}

function identityMaps(heads: number, headDim: number, rank: number): HostTensor {
  const maps = new Float32Array(heads * headDim * rank);
  for (let row = 0; row < heads * headDim; row++) maps[row * rank + (row % headDim)] = 1;
  return tensor(maps, [heads, headDim, rank]);
}
