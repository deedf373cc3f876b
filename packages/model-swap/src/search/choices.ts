// From what was measured to the table that a search reads, and back from what it found to the attention of a model.

import type { ContentGateState, Found, GateState, LayerVariant, SearchTable } from '@flashmla/gating';
import type { LayerAttention } from '../layer-attention.ts';
import type { EncoderModel } from '../model.ts';
import { type GateKind, hasBudgets, keysOfKind } from './candidates.ts';
import type { LengthGroup } from './length-groups.ts';
import { type Costs, type KindCosts, msOf } from './measure-costs.ts';
import type { Errors } from './measure-errors.ts';
import type { Prepared } from './prepare.ts';

/** What is behind a variant of a layer: dense, or a gate from some length on. */
export interface SparseVariant {
  readonly kind: GateKind;
  /** What each head chooses from, where heads differ; else the one number of keys. */
  readonly keys: readonly number[];
  /** Tokens: the shortest text of the first group of lengths that runs sparse. */
  readonly crossover: number;
}

export type Variant = 'dense' | SparseVariant;

export interface Choices {
  /** Costs: milliseconds more than dense. Errors: `logitError`. Both are means over the lengths. */
  readonly table: SearchTable;
  /** What the variants of the table are; of its layers, which are those of `layers`. */
  readonly variants: readonly (readonly Variant[])[];
  readonly layers: readonly number[];
}

/** How a model attends, with what its gates have learned and the keys of each head. */
export interface ChosenAttention {
  readonly layers: readonly LayerAttention[];
  readonly gates: ReadonlyMap<number, GateState>;
}

/**
 * Each kind of gate may begin at any group of lengths, with as many keys as are fewer than its texts have: below, a layer
 * runs dense, which is exact, and faster there or not.
 */
export function choicesOf(
  { kinds, layers }: Prepared,
  groups: readonly LengthGroup[],
  costs: Costs,
  errors: Errors,
): Choices {
  const built = layers.map((layer) => {
    const variants: { variant: Variant; figures: LayerVariant }[] = [
      { variant: 'dense', figures: { cost: 0, error: 0, heads: [] } },
    ];
    for (const [at, kind] of kinds.entries()) {
      const byGroup = costs.get(layer)!.map(({ denseMs, kinds: own }) => ({ denseMs, ...own[at]! }));
      const { keys, sensitivity } = errors.get(layer)![at]!;
      for (const [first, { least: crossover }] of groups.entries()) {
        const from = groups.map((_, group) => group).slice(first);
        const mean = (of: (group: number) => number) =>
          from.reduce((sum, group) => sum + groups[group]!.share * of(group), 0);
        const allowed = keysOfKind(kind).filter((k) => k < crossover);
        if (allowed.length === 0) continue;
        const loss = (k: number, head: number) =>
          sensitivity * mean((group) => keys.find((one) => one.k === k)!.squared[group]![head]!);
        const heads = keys[0]!.squared[0]!.length;
        const range = Array.from({ length: heads }, (_, head) => head);
        const costOf = (ms: (own: KindCosts & { denseMs: number }) => number) => mean((group) => ms(byGroup[group]!));
        if (hasBudgets(kind)) {
          const figures = {
            cost: costOf(({ baseMs, denseMs }) => baseMs - denseMs),
            error: 0,
            heads: range.map((head) =>
              allowed.map((k) => ({ cost: costOf(({ msPerKey }) => (msPerKey * k) / heads), error: loss(k, head) })),
            ),
          };
          variants.push({ variant: { kind, keys: allowed, crossover }, figures });
          continue;
        }
        for (const k of allowed) {
          const cost = costOf((own) => msOf(own, k) - own.denseMs);
          const error = range.reduce((sum, head) => sum + loss(k, head), 0);
          variants.push({ variant: { kind, keys: [k], crossover }, figures: { cost, error, heads: [] } });
        }
      }
    }
    return variants;
  });
  return {
    table: built.map((variants) => variants.map(({ figures }) => figures)),
    variants: built.map((variants) => variants.map(({ variant }) => variant)),
    layers,
  };
}

/** The attention of a model that `found` stands for. */
export function chosenAttention(
  model: EncoderModel,
  { states }: Prepared,
  choices: Choices,
  found: Found,
): ChosenAttention {
  const layers = model.encoder.layer.map((): LayerAttention => 'dense');
  // Layers that stay dense too: what another choice left of their gates is not to be taken for theirs.
  const gates = plainStates(states);
  for (const [at, layer] of choices.layers.entries()) {
    const { variant, heads } = found.layers[at]!;
    const chosen = choices.variants[at]![variant]!;
    if (chosen === 'dense') continue;
    const { kind, crossover, keys } = chosen;
    const state = states.get(layer)![kind.gate];
    if (!hasBudgets(kind)) {
      layers[layer] = { ...kind, k: keys[0]!, crossover };
      if (state) gates.set(layer, state);
      continue;
    }
    const own = heads.map((option) => keys[option]!);
    const k = Math.round(own.reduce((sum, one) => sum + one, 0) / own.length);
    layers[layer] = { ...kind, k, crossover };
    gates.set(layer, { ...(state as ContentGateState), shares: own.map((one) => one / k) });
  }
  return { layers, gates };
}

/** Content gates with lists of k keys in all layers that have a choice, at every length; undefined where no gate is fitted. */
export function uniformAttention(
  model: EncoderModel,
  { layers, states }: Prepared,
  k: number,
): ChosenAttention | undefined {
  if (layers.some((layer) => !states.get(layer)!.content)) return undefined;
  return {
    layers: model.encoder.layer.map(({ index }) =>
      layers.includes(index) ? { gate: 'content', k, shape: 'lists', crossover: 0 } : 'dense',
    ),
    gates: plainStates(states),
  };
}

/** What the gates of each layer have learned, content gates first; the same number of keys in every head. */
function plainStates(states: Prepared['states']): Map<number, GateState> {
  return new Map(
    [...states].flatMap(([layer, { content, block, slot }]) => {
      const state = content ?? block ?? slot;
      if (!state) return [];
      return [[layer, state.gate === 'content' ? { ...state, shares: undefined } : state] as const];
    }),
  );
}
