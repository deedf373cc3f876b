// ContentGate: the default gate. What it selects is in content-selection.ts, how it is fitted in fit-samples.ts.

import { FlashMLAError, type Selection, selectionOf, tensor } from '@flashmla/tensor';
import { samplesOfCall } from './call-samples.ts';
import { type ContentShape, type DeviceMaps, selectByContent, slotsFor } from './content-selection.ts';
import { fasterShape } from './content-shape.ts';
import { DeviceCache } from './device-cache.ts';
import { type FitDimensions, type FitOptions, type FitSample, fitSamples } from './fit-samples.ts';
import { type FitWeights, fitWeights } from './fit-weights.ts';
import type { GateInputs, GateState, LearnableGate } from './gate.ts';
import { checkK, type GateCall, withCall } from './gate-call.ts';
import { type ContentGateState, type GateSpace, spaceOfState } from './gate-space.ts';
import { checkState } from './gate-state.ts';
import { type HeadBudget, keysOfHeads } from './head-budget.ts';

export interface ContentGateOptions {
  /** Selected tokens per query; default `recommendK` of each call's keys. */
  k?: number | undefined;
  /** Default 'auto': whichever is faster on the backend, measured once and remembered. */
  shape?: ContentShape | 'auto' | undefined;
  /** Whether groups stand in for the keys that were not selected; default true. */
  residual?: boolean | undefined;
  /** Fixes the gate dimensions of all heads; default: chosen for each head from 4, 8, 16, 32. */
  rank?: number | undefined;
}

/**
 * Selects by content in a gate space of few dimensions a head, q̃ = q·A and k̃ = k·B, whose product estimates the logit.
 *
 * A and B come from `fit` (sample texts), `fitFromWeights` or `load`. A gate that has none of them when `select` is first
 * called fits itself on that call's own queries and keys: up to 1024 tokens of up to 4 texts, which are read back for it.
 * A fitted gate reads nothing back.
 *
 * Keys are put into content order, a balanced kd-tree over k̃ (SMYRF, arXiv 2010.05315, balances its clusters alike). Then
 * either *lists*: the k keys that score highest in q̃·k̃ for each query, in two levels where there are more than 1024; or
 * *blocks*: for each tile of 16 queries (in content order too) the best ⌊k/16⌋ blocks of 16 keys, at least one. What is
 * not selected is stood for by the mean keys and values of residual groups (see `residualGroup`; after Multipole
 * Attention, arXiv 2506.13059). A causal call selects in natural order, without residual.
 *
 * **k and the shape.** k is what a query selects, in either shape. At equal k, lists are the more accurate: blocks need
 * about twice the tokens for the error of lists (the figures are in the README). So with 'auto' the shapes are timed at
 * equal error, blocks of k tokens against lists of k/2, from k = 64 on; below, it is lists. Where blocks win, they run
 * with their k tokens; where lists win, they run with all k tokens too: the caller's k is spent, on accuracy. As it
 * depends on the machine, what 'auto' selects may differ between machines; name the shape where that matters. Causal
 * calls take lists.
 *
 * Where a budget is spread over heads (`calibrateGates`), k is what they select in the mean: a head that needs few leaves
 * its keys to one that needs more. Blocks are whole ones then too, at least one a head.
 *
 * A padded batch gives what each text gives alone, as long as both lengths have the same `residualGroup` and the same
 * levels, and k is named.
 */
export class ContentGate implements LearnableGate {
  readonly name = 'content';
  readonly k: number | undefined;
  readonly needsHidden = false;
  /** As the options have it. */
  readonly shape: ContentShape | 'auto';
  readonly #residual: boolean;
  readonly #rank: number | undefined;
  readonly #cache = new DeviceCache();
  #space: GateSpace | undefined;

  constructor(options: ContentGateOptions = {}) {
    const { k, shape = 'auto', residual = true, rank } = options;
    if (k !== undefined) checkK(this.name, k);
    if (!['auto', 'lists', 'blocks'].includes(shape)) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] content: shape is '${shape}'; expected 'auto', 'lists' or 'blocks'.`,
      );
    }
    if (rank !== undefined && !(Number.isSafeInteger(rank) && rank >= 1)) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] content: rank is ${rank}; expected a whole number ≥ 1, or none to have it chosen for each head.`,
      );
    }
    this.k = k;
    this.shape = shape;
    this.#residual = residual;
    this.#rank = rank;
  }

  /** Whether the gate has its maps. */
  get fitted(): boolean {
    return this.#space !== undefined;
  }

  get needsFit(): boolean {
    return !this.fitted;
  }

  /** Gate dimensions that each head uses; empty until fitted. */
  get ranks(): readonly number[] {
    return this.#space?.ranks ?? [];
  }

  /**
   * Fits the maps to sample texts in closed form (head-solution.ts). The rank of each head is the smallest of 4, 8, 16
   * and 32 whose lists hold as much attention as the true top-k hold on the samples, but for 2 % of all attention. A
   * handful of texts of a few hundred tokens is enough. Takes turns with the event loop.
   */
  async fit(samples: readonly FitSample[], dimensions: FitDimensions, options: FitOptions = {}): Promise<void> {
    this.#use(await fitSamples(samples, dimensions, this.#fitOptions(options)));
  }

  /** Fits the maps to a layer's weights, where there are no texts: see `fitWeights`. Less exact than `fit`. */
  async fitFromWeights(weights: FitWeights, options: Pick<FitOptions, 'signal'> = {}): Promise<void> {
    this.#use(await fitWeights(weights, this.#fitOptions(options)));
  }

  /** The fitted maps, to be stored. */
  state(): ContentGateState {
    if (!this.#space) {
      throw new FlashMLAError(
        'invalid-argument',
        '[gating] content: there is nothing to store yet; fit the gate first.',
      );
    }
    const { queryMap, keyMap, ranks, shares } = this.#space;
    return { gate: this.name, queryMap, keyMap, ranks, ...(shares && { shares }) };
  }

  /** Takes over maps that `state` gave. */
  load(state: GateState): void {
    checkState(this.name, state);
    this.#use(spaceOfState(state));
  }

  async select(inputs: GateInputs): Promise<Selection> {
    return withCall(this, inputs, async (call) => {
      const space = this.#space ?? (await this.#fitToCall(call));
      if (!space) return nothingToSelect(call);
      const maps = this.#onDevice(call, space);
      const shape = await this.#shapeFor(call, maps);
      const budget = this.#budgetOf(call, space, shape);
      return selectByContent(call, maps, { shape, k: call.k, residual: this.#residual, budget });
    });
  }

  dispose(): void {
    this.#cache.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #fitOptions(options: FitOptions): FitOptions {
    return { rank: this.#rank, k: this.k, ...options };
  }

  #use(space: GateSpace): void {
    this.#cache.clear();
    this.#space = space;
  }

  /** Undefined where no token is present, so that there is nothing to fit on. */
  async #fitToCall(call: GateCall): Promise<GateSpace | undefined> {
    const samples = await samplesOfCall(call);
    if (samples.length === 0) return undefined;
    const options = { ...this.#fitOptions({ signal: call.signal }), k: call.k };
    const space = await fitSamples(samples, call, options);
    // Another call may have fitted the gate meanwhile; then both go on with the same maps.
    if (!this.#space) this.#use(space);
    return this.#space;
  }

  #shapeFor(call: GateCall, maps: DeviceMaps): ContentShape | Promise<ContentShape> {
    if (this.shape !== 'auto') return this.shape;
    return call.causal ? 'lists' : fasterShape(call, maps, this.#residual);
  }

  #budgetOf({ backend, k }: GateCall, { shares }: GateSpace, shape: ContentShape): HeadBudget | undefined {
    if (!shares) return undefined;
    const slots = keysOfHeads(k, shares).map((own) => slotsFor(shape, own));
    const headSlots = this.#cache.get(backend, `headSlots ${slots}`, () =>
      tensor(Int32Array.from(slots), [slots.length]),
    );
    return { most: Math.max(...slots), mean: slots.reduce((sum, own) => sum + own, 0) / slots.length, headSlots };
  }

  #onDevice({ backend, heads, headDim }: GateCall, space: GateSpace): DeviceMaps {
    if (space.heads !== heads || space.headDim !== headDim) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] content: the gate is fitted for ${space.heads} heads of ${space.headDim}, the call has ${heads} of ${headDim}; ` +
          'use a gate of its own for each layer, or fit this one again.',
      );
    }
    return {
      queryMap: this.#cache.get(backend, 'queryMap', () => space.queryMap),
      keyMap: this.#cache.get(backend, 'keyMap', () => space.keyMap),
      rank: space.rank,
    };
  }
}

/** Empty lists: no key is present, or no query. */
function nothingToSelect(call: GateCall): Selection {
  const shape = [call.batch, call.heads, call.queries, 1];
  const empty = new Int32Array(call.batch * call.heads * call.queries).fill(-1);
  return selectionOf({ tileQueries: 1, blockKeys: 1, indices: call.upload(tensor(empty, shape)), residualGroup: 0 });
}
