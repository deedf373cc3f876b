// What each choice costs: the attention of a layer with each kind of gate and number of keys, timed in turn with the dense one
// on the layer's own inputs.

import { FlashMLAAttention } from '@flashmla/attention';
import type { Gate } from '@flashmla/gating';
import type { Backend, DeviceTensor } from '@flashmla/tensor';
import type { EncoderLayer } from '../layer.ts';
import type { EncoderModel } from '../model.ts';
import { type GateKind, gateOf, hasBudgets, keysOfKind } from './candidates.ts';
import type { LengthGroup } from './length-groups.ts';
import type { Prepared } from './prepare.ts';

export interface KindCosts {
  readonly kind: GateKind;
  /** Milliseconds of the layer's attention with k keys in every head, median; only where the text is longer than k. */
  readonly measured: readonly { readonly k: number; readonly ms: number }[];
  /** The line through them, least squares: baseMs + msPerKey · k, k being the mean over the heads. */
  readonly baseMs: number;
  readonly msPerKey: number;
}

/** One layer's attention at one length. */
export interface LayerCosts {
  readonly denseMs: number;
  readonly kinds: readonly KindCosts[];
}

/** By layer, and then by group of lengths. Layers whose gates are equally wide do the same work, and are measured once. */
export type Costs = ReadonlyMap<number, readonly LayerCosts[]>;

const rounds = 9;

export interface MeasureCostsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called after each group of each layer that is measured, with the share that is done. */
  readonly progress?: ((done: number) => void) | undefined;
}

export async function measureCosts(
  model: EncoderModel,
  { kinds, layers, states }: Prepared,
  groups: readonly LengthGroup[],
  { signal, progress }: MeasureCostsOptions,
): Promise<Costs> {
  const alike = new Map<string, number[]>();
  for (const layer of layers) {
    const { content, slot } = states.get(layer)!;
    const width = content?.gate === 'content' ? content.queryMap.shape[2] : 0;
    const key = `${width} ${slot !== undefined}`;
    alike.set(key, [...(alike.get(key) ?? []), layer]);
  }
  const costs = new Map<number, LayerCosts[]>();
  let done = 0;
  for (const same of alike.values()) {
    const subject = same[0]!;
    const own: LayerCosts[] = [];
    for (const { text } of groups) {
      await model.forward(
        [text],
        {
          ...{ signal, hidden: false, attention: ({ dense }) => dense },
          beforeLayer: async (layer, hidden) => {
            if (layer.index === subject)
              own.push(await timeLayer(model, layer, hidden, kinds, states.get(subject)!, signal));
          },
        },
        async () => {},
      );
      progress?.(++done / (alike.size * groups.length));
    }
    for (const layer of same) costs.set(layer, own);
  }
  return costs;
}

async function timeLayer(
  model: EncoderModel,
  layer: EncoderLayer,
  hidden: DeviceTensor,
  kinds: readonly GateKind[],
  states: Prepared['states'] extends ReadonlyMap<number, infer States> ? States : never,
  signal: AbortSignal | undefined,
): Promise<LayerCosts> {
  const { backend, architecture } = model;
  const tokens = hidden.shape[1]!;
  const gates = kinds.map((kind) => gateOf(kind, states[kind.gate]));
  const contestants = kinds.flatMap((kind, i) =>
    keysOfKind(kind)
      .filter((k) => k < tokens)
      .map((k) => ({ kind, k, gate: gates[i]! })),
  );
  const dense = () => elapsedMs(backend, () => layer.dense.forward(hidden, { ...(signal && { signal }) }));
  const sparse = ({ gate, k }: { gate: Gate; k: number }) => {
    layer.attention = new FlashMLAAttention({
      dim: architecture.modelDim,
      heads: architecture.heads,
      gate,
      k,
      crossover: 0,
    });
    return elapsedMs(backend, () => layer.attention.forward(hidden, { ...(signal && { signal }) }));
  };
  try {
    // Programs are prepared before the clock counts.
    await dense();
    for (const contestant of contestants) await sparse(contestant);
    const denseTimes: number[] = [];
    const times = contestants.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      denseTimes.push(await dense());
      for (const [i, contestant] of contestants.entries()) times[i]!.push(await sparse(contestant));
    }
    return {
      denseMs: median(denseTimes),
      kinds: kinds.map((kind) => {
        const measured = contestants.flatMap((one, i) =>
          one.kind === kind ? [{ k: one.k, ms: median(times[i]!) }] : [],
        );
        return { kind, measured, ...lineThrough(measured) };
      }),
    };
  } finally {
    layer.attention = layer.dense;
    for (const gate of gates) gate.dispose();
  }
}

/** Of the measured times; what is no number of keys' own falls to all. More keys never cost less. */
function lineThrough(points: readonly { k: number; ms: number }[]): Pick<KindCosts, 'baseMs' | 'msPerKey'> {
  if (points.length === 0) return { baseMs: 0, msPerKey: 0 };
  const mean = (of: (point: { k: number; ms: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [meanK, meanMs] = [mean(({ k }) => k), mean(({ ms }) => ms)];
  const variance = mean(({ k }) => (k - meanK) ** 2);
  const slope = variance === 0 ? 0 : mean(({ k, ms }) => (k - meanK) * (ms - meanMs)) / variance;
  const msPerKey = Math.max(0, slope);
  return { baseMs: meanMs - msPerKey * meanK, msPerKey };
}

/** Milliseconds of `layerMs` kinds at k keys in the mean: as fitted where heads may differ, else as measured. */
export function msOf({ kind, measured, baseMs, msPerKey }: KindCosts, k: number): number {
  if (hasBudgets(kind)) return baseMs + msPerKey * k;
  return measured.find((one) => one.k === k)!.ms;
}

async function elapsedMs(backend: Backend, work: () => Promise<{ dispose(): void }>): Promise<number> {
  await backend.synchronize();
  const start = performance.now();
  const output = await work();
  await backend.synchronize();
  const ms = performance.now() - start;
  output.dispose();
  return ms;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}
