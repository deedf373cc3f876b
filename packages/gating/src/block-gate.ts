// BlockGate: whole blocks of neighbouring tokens, by what SeerAttention (arXiv 2410.13276) keeps of them.

import { ceilDivide, FlashMLAError, formatShape, type HostTensor, type Selection, selectionOf } from '@flashmla/tensor';
import { DeviceCache } from './device-cache.ts';
import { forcedBlocks } from './forced-blocks.ts';
import type { GateInputs, GateState, LearnableGate } from './gate.ts';
import { checkK, type GateCall, withCall } from './gate-call.ts';
import { checkState, noWeights } from './gate-state.ts';

export interface BlockWeights {
  /** W_q, f32 [heads, headDim, rank]: maps the mean query of a tile. */
  query: HostTensor;
  /** W_k, f32 [heads, 3 · headDim, rank]: maps the maximum, minimum and mean key of a block, one after the other. */
  key: HostTensor;
  /** f32 [heads, 2 · span + 1]: added to the score of the block that lies −span … +span blocks away. */
  relativeBias?: HostTensor | undefined;
}

export interface BlockGateState extends BlockWeights {
  readonly gate: 'block';
  /** Queries of a tile and keys of a block. */
  readonly block: number;
}

export interface BlockGateOptions {
  /** Selected tokens per query; default `recommendK` of each call's keys. */
  k?: number | undefined;
  /** Queries of a tile and keys of a block; default 16. SeerAttention and FlashAttention kernels use 64. */
  block?: number | undefined;
  /** Learned weights; default: the mean query against the mean key. */
  weights?: BlockWeights | undefined;
}

/**
 * Cuts queries and keys into blocks of neighbours and selects, for each tile of queries, the ⌊k/block⌋ key blocks (at
 * least one) that score highest: W_q·mean(Q) against W_k·[max; min; mean](K), plus a learned term of their distance.
 *
 * The first block, which holds CLS, and the tile's own block with its two neighbours are selected first. They count: with
 * k below 4 blocks the neighbours are left to the scores, below 2 blocks the first block too. So k is best 8 blocks or
 * more.
 */
export class BlockGate implements LearnableGate {
  readonly name = 'block';
  readonly k: number | undefined;
  readonly block: number;
  readonly needsHidden = false;
  readonly needsFit = false;
  #weights: BlockWeights | undefined;
  readonly #cache = new DeviceCache();

  constructor({ k, block = 16, weights }: BlockGateOptions = {}) {
    if (k !== undefined) checkK(this.name, k);
    if (!Number.isSafeInteger(block) || block < 1) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] block: block is ${block}; expected a whole number ≥ 1, best 16 or 64.`,
      );
    }
    this.k = k;
    this.block = block;
    this.#weights = weights;
  }

  /** Whether the gate has learned weights; without them it goes by mean queries and mean keys. */
  get fitted(): boolean {
    return this.#weights !== undefined;
  }

  state(): BlockGateState {
    if (!this.#weights) throw noWeights(this.name, 'give it weights, or calibrate it first');
    return { gate: this.name, block: this.block, ...this.#weights };
  }

  load(state: GateState): void {
    checkState(this.name, state);
    const { block, query, key, relativeBias } = state;
    if (block !== this.block) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] block: the state is of blocks of ${block}, the gate has blocks of ${this.block}; make one with block: ${block}.`,
      );
    }
    this.#cache.clear();
    this.#weights = { query, key, ...(relativeBias && { relativeBias }) };
  }

  /** Blocks that k of more tokens make. */
  slotsFor(k: number): number {
    return Math.max(1, Math.floor(k / this.block));
  }

  async select(inputs: GateInputs): Promise<Selection> {
    return withCall(this, inputs, async (call) => {
      const { batch, heads, headDim, causal, masks } = call;
      const { block } = this;
      const tiles = await this.#features(call, 'query');
      const blocks = await this.#features(call, 'key');
      const slots = call.k >= call.keys ? blocks.count : this.slotsFor(call.k);
      const bias = this.#weights?.relativeBias;
      const relativeBias = bias && this.#cache.get(call.backend, 'relativeBias', () => bias);
      const { indices } = await call.run(
        {
          ...{ op: 'select-top-k', batch, heads, queries: tiles.count, keys: blocks.count },
          ...{ rank: this.#weights?.query.shape[2] ?? headDim, tileQueries: 1, blockKeys: 1, slots },
          ...{ headSlots: false, keyOrder: false, queryOrder: false, mask: masks !== undefined, causal },
          ...forcedBlocks(slots),
          ...{ biasSpan: relativeBias ? (relativeBias.shape[1] - 1) / 2 : -1, coarseBlocks: 0, coarseSlots: 0 },
        },
        {
          ...{ query: tiles.features, key: blocks.features },
          ...(masks && { keyMask: blocks.present, queryMask: tiles.present }),
          ...(relativeBias && { relativeBias }),
        },
      );
      return selectionOf({ tileQueries: block, blockKeys: block, indices, residualGroup: 0 });
    });
  }

  dispose(): void {
    this.#cache.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What stands for each block of queries or keys, f32 [batch, heads, blocks, rank], and which blocks are not all padding. */
  async #features(call: GateCall, which: 'query' | 'key') {
    const { batch, heads, headDim, dtype, layout, masks, backend } = call;
    const { block } = this;
    const weight = this.#weights?.[which];
    const tokens = which === 'query' ? call.queries : call.keys;
    const statistics = weight && which === 'key' ? 'max-min-mean' : 'mean';
    const mask = which === 'query' ? masks?.queryMask : masks?.keyMask;
    const { pooled, present } = await call.run(
      {
        ...{ op: 'block-pool', batch, heads, tokens, features: headDim, block, statistics, layout, dtype },
        mask: mask !== undefined,
      },
      { input: call[which], ...(mask && { mask }) },
    );
    const count = ceilDivide(tokens, block);
    if (!weight) return { features: pooled, present, count };
    const features = pooled.shape[3];
    const rank = this.#weights!.query.shape[2];
    if (formatShape(weight.shape) !== formatShape([heads, features, rank])) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] block: the ${which} weight is ${formatShape(weight.shape)}; ${heads} heads of ${headDim} need ` +
          `[${heads}, ${features}, rank], the same rank for query and key.`,
      );
    }
    const { output } = await call.run(
      { op: 'gate-projection', batch, heads, tokens: count, features, rank, layout: 'heads-first' },
      { input: pooled, map: this.#cache.get(backend, which, () => weight) },
    );
    call.release(pooled);
    return { features: output, present, count };
  }
}
