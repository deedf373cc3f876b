// SlotGate: the first gate of this library, truly linear in the length.

import {
  castTo,
  checkFloats,
  FlashMLAError,
  formatShape,
  type HostTensor,
  randomSource,
  randomUniform,
  type Selection,
  selectionOf,
  tensor,
} from '@flashmla/tensor';
import { DeviceCache } from './device-cache.ts';
import type { GateInputs, GateState, LearnableGate } from './gate.ts';
import { checkK, type GateCall, withCall } from './gate-call.ts';
import { checkState, noWeights } from './gate-state.ts';

export interface SlotWeights {
  /** f32 [heads · slotCount, modelDim]: row h · slotCount + s scores a token for slot s of head h. */
  weight: HostTensor;
  /** f32 [heads · slotCount]; default 0. */
  bias?: HostTensor | undefined;
}

export interface SlotGateState extends SlotWeights {
  readonly gate: 'slot';
  readonly slotCount: number;
}

export interface SlotGateOptions {
  /** Tokens a slot keeps, which are what a query attends to; default `recommendK` of each call's keys. */
  k?: number | undefined;
  /** Slots of a head that tokens compete for; default 32. */
  slotCount?: number | undefined;
  /** Learned weights; default: random ones, which sort tokens by nothing in particular until they are trained. */
  weights?: SlotWeights | undefined;
  /** Of the random weights; default 1. */
  seed?: number | undefined;
}

/**
 * Scores each token's hidden state for `slotCount` slots a head (`Linear(modelDim, heads · slotCount)`). A slot keeps the
 * k tokens that score highest in it; a query attends to those of its best slot: O(tokens · (slotCount + k)).
 *
 * Self-attention only, and `select` must be given `hidden`. Random weights start as a torch.nn.Linear does: uniform in
 * ±1/√modelDim, made for the first call's modelDim and heads.
 */
export class SlotGate implements LearnableGate {
  readonly name = 'slot';
  readonly k: number | undefined;
  readonly slotCount: number;
  readonly needsHidden = true;
  readonly needsFit = false;
  readonly #seed: number;
  readonly #cache = new DeviceCache();
  /** What was given or learned. */
  #weights: SlotWeights | undefined;
  /** What stands in for it. */
  #random: SlotWeights | undefined;

  constructor({ k, slotCount = 32, weights, seed = 1 }: SlotGateOptions = {}) {
    if (k !== undefined) checkK(this.name, k);
    if (!Number.isSafeInteger(slotCount) || slotCount < 1) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] slot: slotCount is ${slotCount}; expected a whole number ≥ 1.`,
      );
    }
    this.k = k;
    this.slotCount = slotCount;
    this.#weights = weights;
    this.#seed = seed;
  }

  /** Whether the gate has weights that were given or learned, not random ones. */
  get fitted(): boolean {
    return this.#weights !== undefined;
  }

  state(): SlotGateState {
    if (!this.#weights) throw noWeights(this.name, 'give it weights, or calibrate it first');
    return { gate: this.name, slotCount: this.slotCount, ...this.#weights };
  }

  load(state: GateState): void {
    checkState(this.name, state);
    const { slotCount, weight, bias } = state;
    if (slotCount !== this.slotCount) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] slot: the state is of ${slotCount} slots, the gate has ${this.slotCount}; make one with slotCount: ${slotCount}.`,
      );
    }
    this.#cache.clear();
    this.#weights = { weight, ...(bias && { bias }) };
  }

  async select(inputs: GateInputs): Promise<Selection> {
    return withCall(this, inputs, async (call) => {
      const { backend, batch, heads, queries: tokens, masks } = call;
      const { hidden, modelDim, dtype } = hiddenOf(call);
      const { weight, bias } = this.#weightsFor(heads, modelDim);
      const { slotCount } = this;
      const { output: scores } = await call.run(
        {
          ...{ op: 'linear', rows: batch * tokens, inFeatures: modelDim, outFeatures: heads * slotCount },
          ...{ bias: bias !== undefined, activation: 'none', dtype },
        },
        {
          input: hidden,
          weight: this.#cache.get(backend, `weight ${dtype}`, () => castTo(weight, dtype), {
            purpose: 'linear-weight',
          }),
          ...(bias && { bias: this.#cache.get(backend, `bias ${dtype}`, () => castTo(bias, dtype)) }),
        },
      );
      const slots = Math.min(call.k, tokens);
      const { indices } = await call.run(
        { op: 'select-slots', batch, heads, tokens, slotCount, slots, mask: masks !== undefined, dtype },
        { scores, ...(masks && { mask: masks.keyMask }) },
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

  #weightsFor(heads: number, modelDim: number): SlotWeights {
    const rows = heads * this.slotCount;
    const weights = this.#weights ?? this.#randomWeights(rows, modelDim);
    const { weight, bias } = weights;
    const fits = formatShape(weight.shape) === formatShape([rows, modelDim]);
    if (!fits || (bias && formatShape(bias.shape) !== formatShape([rows]))) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] slot: the weight is ${formatShape(weight.shape)}${bias ? `, the bias ${formatShape(bias.shape)}` : ''}; ` +
          `${heads} heads of ${this.slotCount} slots and hidden states of ${modelDim} need [${rows}, ${modelDim}] and [${rows}]. ` +
          'Use a gate of its own for each model, and the slotCount its weights were made for.',
      );
    }
    return weights;
  }

  #randomWeights(rows: number, modelDim: number): SlotWeights {
    this.#random ??= randomSlotWeights(rows, modelDim, this.#seed);
    return this.#random;
  }
}

export function randomSlotWeights(rows: number, modelDim: number, seed: number): SlotWeights {
  const random = randomSource(seed);
  const bound = 1 / Math.sqrt(modelDim);
  return {
    weight: tensor(randomUniform(rows * modelDim, random, bound), [rows, modelDim]),
    bias: tensor(randomUniform(rows, random, bound), [rows]),
  };
}

function hiddenOf({ hidden, batch, queries, keys }: GateCall) {
  const modelDim = hidden?.shape[2];
  const fits = hidden?.shape.length === 3 && hidden.shape[0] === batch && hidden.shape[1] === keys;
  if (!hidden || !modelDim || !fits || queries !== keys) {
    const given = hidden ? formatShape(hidden.shape) : 'missing';
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] slot: hidden is ${given}, with ${batch} texts of ${queries} queries and ${keys} keys; expected ` +
        '[batch, tokens, modelDim], as many queries and keys as tokens. Pass the layer input, or use another gate.',
    );
  }
  return { hidden, modelDim, dtype: checkFloats('[gating] slot:', { hidden }) };
}
