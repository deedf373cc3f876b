// What every gate is: something that picks, for each query, the keys worth attending to.
//
// A gate reads queries and keys, never values, and writes a Selection that any backend's sparse attention reads. It works
// on the backend's kernels and reads nothing back. Running the attention, and when dense attention is the better choice,
// is left to @flashmla/attention.

import type { Backend, Layout, Selection, Tensor } from '@flashmla/tensor';
import type { BlockGateState } from './block-gate.ts';
import type { ContentGateState } from './gate-space.ts';
import type { SlotGateState } from './slot-gate.ts';

export type GateName = 'content' | 'slot' | 'block' | 'static' | 'oracle';

export interface GateInputs {
  backend: Backend;
  /** float32, float16 or bfloat16 [batch, heads, queries, headDim], or [batch, queries, heads, headDim] with layout 'tokens-first'. */
  query: Tensor;
  /** Of query's dtype [batch, heads, keys, headDim], or [batch, keys, heads, headDim]. */
  key: Tensor;
  /** Of query and key; default 'heads-first'. */
  layout?: Layout | undefined;
  /** uint8 [batch, keys]: 1 = present, 0 = padding. */
  keyMask?: Tensor | undefined;
  /** uint8 [batch, queries]; default: keyMask where there are as many queries as keys, else all are present. */
  queryMask?: Tensor | undefined;
  /** float32, float16 or bfloat16 [batch, tokens, modelDim]: what queries and keys were projected from. Only SlotGate reads it, and needs it. */
  hidden?: Tensor | undefined;
  /** Selected tokens per query, forced ones included; default: the gate's own k, else `recommendK(keys)`. */
  k?: number | undefined;
  /** Key j is visible to query i when j ≤ i + (keys − queries). */
  causal?: boolean | undefined;
  /** Of the logits, default 1/√headDim. Changes no list; ContentGate weighs its samples by it when it fits itself. */
  scale?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** What a gate has learned, to be stored and given to another gate of its kind. */
export type GateState = ContentGateState | BlockGateState | SlotGateState;

export interface Gate extends Disposable {
  readonly name: GateName;
  /** Selected tokens per query where the call names no number. */
  readonly k?: number | undefined;
  /** Whether `select` must be given `hidden`. */
  readonly needsHidden: boolean;
  /** Whether fitting on sample inputs would serve this gate and has not been done. */
  readonly needsFit: boolean;
  /**
   * Which keys each query, or tile of queries, attends to. The caller owns the selection and disposes it.
   *
   * A query gets at most k keys (but where whole blocks are selected, at least one of them); k may be more than there are
   * keys. Tensors of the inputs are not disposed;
   * those that are not on the backend are uploaded for the call.
   *
   * @throws FlashMLAError 'invalid-argument' for shapes that do not fit or a k that is no whole number ≥ 1
   */
  select(inputs: GateInputs): Promise<Selection>;
  /** Gives the gate's memory on all backends back. The gate can be used again. */
  dispose(): void;
}

/** A gate with weights of its own, which `calibrateGates` learns. */
export interface LearnableGate extends Gate {
  readonly name: GateState['gate'];
  /** Whether it has its weights. */
  readonly fitted: boolean;
  /**
   * The weights, to be stored.
   *
   * @throws FlashMLAError 'invalid-argument' where there are none yet
   */
  state(): GateState;
  /**
   * Takes over what `state` gave.
   *
   * @throws FlashMLAError 'invalid-argument' for the state of another kind of gate, or one that makes no sense
   */
  load(state: GateState): void;
}

export const isLearnable = (gate: Gate): gate is LearnableGate => 'load' in gate;
