// What each choice loses. Head by head: the relative error of the attention's output, squared. Layer by layer: how far the
// model's answers move for it, which is what makes errors of different layers comparable.

import { FlashMLAAttention } from '@flashmla/attention';
import { type LayerSample, measureGate } from '@flashmla/gating';
import { readFloat32 } from '@flashmla/tensor';
import type { EncoderLayer } from '../layer.ts';
import type { EncoderModel } from '../model.ts';
import { sampleLayers } from '../sample-layers.ts';
import type { EncodedText } from '../tokenizer.ts';
import { type GateKind, gateOf, keysOfKind } from './candidates.ts';
import { groupOf, type LengthGroup } from './length-groups.ts';
import { logitError } from './logit-error.ts';
import type { Prepared } from './prepare.ts';

export interface KindErrors {
  readonly kind: GateKind;
  readonly references: readonly Reference[];
  /** How far answers move for each unit of a head's squared error: geometric mean over the references. */
  readonly sensitivity: number;
  readonly keys: readonly {
    readonly k: number;
    /** By group of lengths and head: (‖sparse − dense‖ ÷ ‖dense‖)² of the head's output, mean over the texts. */
    readonly squared: readonly (readonly number[])[];
  }[];
}

/** How far answers move when one layer alone is sparse, k keys in every head; means over the texts. */
export interface Reference {
  readonly k: number;
  /** Sum of the heads' squared errors. */
  readonly squared: number;
  /** See `logitError`. */
  readonly logitError: number;
}

/** By layer, and then by kind. */
export type Errors = ReadonlyMap<number, readonly KindErrors[]>;

export interface MeasureErrorsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called after each text, with the share that is done. */
  readonly progress?: ((done: number) => void) | undefined;
}

/** @param texts some of each group */
export async function measureErrors(
  model: EncoderModel,
  { kinds, layers, states }: Prepared,
  groups: readonly LengthGroup[],
  texts: readonly EncodedText[],
  { signal, progress }: MeasureErrorsOptions,
): Promise<Errors> {
  const { heads, headDim } = model.architecture;
  const counts = groups.map(() => 0);
  const subjects = layers.map((index) => {
    const layer = model.encoder.layer[index]!;
    const own = kinds.map((kind) => {
      const ks = keysOfKind(kind);
      return {
        ...{ kind, gate: gateOf(kind, states.get(index)![kind.gate]) },
        keys: ks.map((k) => ({ k, sums: groups.map(() => new Float64Array(heads)), squared: 0, logitError: 0 })),
        // The coarsest is far enough off to be seen in the answers, and one in the middle.
        references: new Set([ks[0]!, ks[ks.length >> 1]!]),
      };
    });
    return { layer, own };
  });
  try {
    for (const [done, text] of texts.entries()) {
      const tokens = text.ids.length;
      const group = groupOf(groups, tokens);
      counts[group]!++;
      const samples = new Map<EncoderLayer, LayerSample>();
      const sampled = new Set(subjects.map(({ layer }) => layer));
      const parts = ['query', 'key', 'value', 'hidden'] as const;
      await sampleLayers(model, text, sampled, parts, signal, (layer, sample) => void samples.set(layer, sample));
      const dense = await logitsOf(model, text, undefined, signal);
      for (const { layer, own } of subjects) {
        for (const { gate, keys, references } of own) {
          for (const one of keys) {
            // As many keys as there are is dense attention.
            if (one.k >= tokens) continue;
            const options = { backend: model.backend, heads, headDim, k: () => one.k, signal };
            const qualities = await measureGate(gate, [samples.get(layer)!], options);
            for (const [head, { error }] of qualities.entries()) {
              one.sums[group]![head]! += error ** 2;
              one.squared += error ** 2 / texts.length;
            }
            if (!references.has(one.k)) continue;
            const { modelDim: dim } = model.architecture;
            layer.attention = new FlashMLAAttention({ dim, heads, gate, k: one.k, crossover: 0 });
            one.logitError += logitError(dense, await logitsOf(model, text, layer, signal)) / texts.length;
          }
        }
        layer.attention = layer.dense;
      }
      progress?.((done + 1) / texts.length);
    }
  } finally {
    for (const { layer, own } of subjects) {
      layer.attention = layer.dense;
      for (const { gate } of own) gate.dispose();
    }
  }
  // A group that is so small that none of its texts is here has the errors of the nearest that has some.
  const counted = groups.map((_, group) => nearest(group, (other) => counts[other]! > 0));
  return new Map(
    subjects.map(({ layer, own }) => [
      layer.index,
      own.map(({ kind, keys, references: chosen }) => {
        const references = keys.flatMap(({ k, squared, logitError: moved }) =>
          chosen.has(k) ? [{ k, squared, logitError: moved }] : [],
        );
        const means = (sums: readonly Float64Array[]) =>
          counted.map((group) => Array.from(sums[group]!, (sum) => sum / counts[group]!));
        return {
          ...{ kind, references, sensitivity: sensitivityOf(references) },
          keys: keys.map(({ k, sums }) => ({ k, squared: means(sums) })),
        };
      }),
    ]),
  );
}

function nearest(group: number, has: (group: number) => boolean): number {
  for (let distance = 0; ; distance++) {
    if (has(group - distance)) return group - distance;
    if (has(group + distance)) return group + distance;
  }
}

/** By ratios: the references lie orders of magnitude apart, and the small errors are the ones that count. */
function sensitivityOf(references: readonly Reference[]): number {
  const seen = references.filter(({ squared, logitError: moved }) => squared > 0 && moved > 0);
  const logarithms = seen.map(({ squared, logitError: moved }) => Math.log(moved / squared));
  return seen.length === 0 ? 0 : Math.exp(logarithms.reduce((sum, one) => sum + one, 0) / seen.length);
}

/** Of one text, with `sparse` as it is and dense attention in all other layers. */
function logitsOf(
  model: EncoderModel,
  text: EncodedText,
  sparse: EncoderLayer | undefined,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const attention = (layer: EncoderLayer) => (layer === sparse ? layer.attention : layer.dense);
  return model.forward([text], { hidden: false, attention, signal }, async ({ logits }) => readFloat32(logits!));
}
