// Before anything is measured: which layers have something to choose, the kinds of gates there are, and what the gates of
// each layer have learned.

import { calibrateGates, type GateState } from '@flashmla/gating';
import { FlashMLAError } from '@flashmla/tensor';
import { fitGates } from '../fit.ts';
import type { EncoderModel } from '../model.ts';
import { restoreAttention, swapAttention } from '../swap.ts';
import type { TextInput } from '../tokenizer.ts';
import { type GateKind, kindsOf, type SearchedGate } from './candidates.ts';

export interface Prepared {
  readonly kinds: readonly GateKind[];
  /** Layers that have a choice. */
  readonly layers: readonly number[];
  /** What the gates of a layer have learned, by gate; a block gate may have learned nothing. */
  readonly states: ReadonlyMap<number, Partial<Record<SearchedGate, GateState>>>;
}

/** Where a classifier's last layer computes one token of a text, which attends to all keys whatever the layer has. */
export function layersWithChoice(model: EncoderModel): number[] {
  const layers = model.encoder.layer.map(({ index }) => index).slice(0, -1);
  if (layers.length > 0) return layers;
  throw new FlashMLAError(
    'invalid-argument',
    '[model-swap] search: this classifier has one layer, which computes one token of a text, with dense attention: there is nothing to choose.',
  );
}

/** Fits content gates and lets slot gates learn where the model brings none that are. */
export async function prepare(
  model: EncoderModel,
  texts: readonly TextInput[],
  gates: readonly SearchedGate[],
  { seed, signal }: { seed: number; signal: AbortSignal | undefined },
): Promise<Prepared> {
  const layers = layersWithChoice(model);
  const states = new Map(layers.map((layer) => [layer, {} as Partial<Record<SearchedGate, GateState>>]));
  const take = () => {
    for (const layer of layers) {
      const state = model.gates.get(layer);
      if (state) states.get(layer)![state.gate] = state;
    }
  };
  take();
  const lacks = (gate: SearchedGate) =>
    gates.includes(gate) ? layers.filter((layer) => states.get(layer)![gate] === undefined) : [];
  const withGates = async (gate: 'content' | 'slot', learn: () => Promise<unknown>) => {
    const unfitted = lacks(gate);
    if (unfitted.length === 0) return;
    swapAttention(model, { gate, layers: unfitted, crossover: 0, k: gate === 'slot' ? 32 : 64 });
    try {
      await learn();
      take();
    } finally {
      restoreAttention(model);
    }
  };
  await withGates('content', () => fitGates(model, texts, { ...(signal && { signal }) }));
  await withGates('slot', () => calibrateGates(model, texts, { seed, ...(signal && { signal }) }));
  const learned = [...states.values()].flatMap(({ block }) => (block?.gate === 'block' ? [block.block] : []));
  return { kinds: kindsOf(gates, learned.length > 0 ? [...new Set(learned)] : [16, 64]), layers, states };
}
