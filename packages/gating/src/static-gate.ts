// StaticGate: the same keys whatever the content, the floor that every other gate must beat.

import { FlashMLAError, type Selection, selectionOf, tensor } from '@flashmla/tensor';
import type { Gate, GateInputs } from './gate.ts';
import { checkK, type GateCall, withCall } from './gate-call.ts';

export interface StaticGateOptions {
  /** Selected tokens per query, global ones included; default `recommendK` of each call's keys. */
  k?: number | undefined;
  /** First tokens that every query attends to, e.g. CLS; default 1. */
  globalTokens?: number | undefined;
}

/**
 * A window of neighbours and the first tokens, after Longformer (arXiv 2004.05150). Unlike there, the global tokens
 * themselves attend to no more than k keys.
 *
 * Query i stands at key i + (keys − queries), as a causal mask has it; its window is centred there, or ends there when
 * causal, and is cut off at the ends of the text, so that padding moves nothing.
 */
export class StaticGate implements Gate {
  readonly name = 'static';
  readonly k: number | undefined;
  readonly globalTokens: number;
  readonly needsHidden = false;
  readonly needsFit = false;
  /** The lists of the last sizes asked for: layers of a model ask for the same again and again. */
  #last: { key: string; indices: Int32Array } | undefined;

  constructor({ k, globalTokens = 1 }: StaticGateOptions = {}) {
    if (k !== undefined) checkK(this.name, k);
    if (!Number.isSafeInteger(globalTokens) || globalTokens < 0) {
      throw new FlashMLAError(
        'invalid-argument',
        `[gating] static: globalTokens is ${globalTokens}; expected a whole number ≥ 0.`,
      );
    }
    this.k = k;
    this.globalTokens = globalTokens;
  }

  async select(inputs: GateInputs): Promise<Selection> {
    return withCall(this, inputs, async (call) => {
      const { batch, heads, queries, keys, causal } = call;
      const slots = Math.min(call.k, keys);
      const key = [batch, heads, queries, keys, call.k, causal].join(' ');
      if (this.#last?.key !== key) this.#last = { key, indices: lists(call, slots, this.globalTokens) };
      const indices = call.upload(tensor(this.#last.indices, [batch, heads, queries, slots]));
      return selectionOf({ tileQueries: 1, blockKeys: 1, indices, residualGroup: 0 });
    });
  }

  dispose(): void {
    this.#last = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The lists of one head, repeated for all heads and texts: [batch, heads, queries, slots]. */
function lists({ batch, heads, queries, keys, k, causal }: GateCall, slots: number, globalTokens: number): Int32Array {
  const global = Math.min(globalTokens, slots);
  const window = k - global;
  const before = causal ? window - 1 : Math.floor(window / 2);
  const head = new Int32Array(queries * slots).fill(-1);
  for (let query = 0; query < queries; query++) {
    const position = query + (keys - queries);
    const last = causal ? position : keys - 1;
    let slot = query * slots;
    for (let key = 0; key < global && key <= last; key++) head[slot++] = key;
    const start = Math.max(global, position - before);
    const end = Math.min(last, position - before + window - 1);
    for (let key = start; key <= end; key++) head[slot++] = key;
  }
  const all = new Int32Array(batch * heads * head.length);
  for (let row = 0; row < batch * heads; row++) all.set(head, row * head.length);
  return all;
}
