// What a layer may run instead of dense attention: kinds of gates, each with several numbers of keys.

import { ContentGate, type ContentShape, createGate, type Gate, type GateState } from '@flashmla/gating';

/** A gate with all that decides what it costs but k. */
export type GateKind =
  | { readonly gate: 'content'; readonly shape: ContentShape }
  | { readonly gate: 'block'; readonly block: number }
  | { readonly gate: 'slot' };

/** Keys of a query that are tried. */
export const triedKeys: readonly number[] = [8, 16, 32, 64, 128];

export type SearchedGate = GateKind['gate'];
export const searchedGates: readonly SearchedGate[] = ['content', 'block', 'slot'];

/** Blocks of 16 and 64 where a block gate has learned nothing; what has learned has its own. */
export function kindsOf(gates: readonly SearchedGate[], blocks: readonly number[]): GateKind[] {
  const kinds: Readonly<Record<SearchedGate, readonly GateKind[]>> = {
    content: [
      { gate: 'content', shape: 'lists' },
      { gate: 'content', shape: 'blocks' },
    ],
    block: blocks.map((block) => ({ gate: 'block', block })),
    slot: [{ gate: 'slot' }],
  };
  return gates.flatMap((gate) => kinds[gate]);
}

/** 'content lists', 'content blocks', 'block of 64', 'slot'. */
export function nameOf(kind: GateKind): string {
  if (kind.gate === 'content') return `content ${kind.shape}`;
  return kind.gate === 'block' ? `block of ${kind.block}` : kind.gate;
}

/** Those of `triedKeys` that are whole blocks of a kind that selects blocks. */
export function keysOfKind(kind: GateKind): readonly number[] {
  const block = kind.gate === 'block' ? kind.block : kind.gate === 'content' && kind.shape === 'blocks' ? 16 : 1;
  return triedKeys.filter((k) => k % block === 0);
}

/** Only a content gate's heads can select different numbers of keys. */
export const hasBudgets = ({ gate }: GateKind): boolean => gate === 'content';

/** A gate of that kind with what it has learned, if it has; the same number of keys in every head. */
export function gateOf(kind: GateKind, state: GateState | undefined): Gate {
  if (kind.gate !== 'content') {
    const gate = kind.gate === 'block' ? createGate('block', { block: kind.block }) : createGate('slot');
    if (state) gate.load(state);
    return gate;
  }
  const gate = new ContentGate({ shape: kind.shape });
  if (state?.gate === 'content') gate.load({ ...state, shares: undefined });
  return gate;
}
