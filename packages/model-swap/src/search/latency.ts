// What a whole model takes for one text, token ids to logits, at each group of lengths.

import { readFloat32 } from '@flashmla/tensor';
import { setAttention } from '../layer-attention.ts';
import type { EncoderModel } from '../model.ts';
import type { ChosenAttention } from './choices.ts';
import type { LengthGroup } from './length-groups.ts';
import { median } from './measure-costs.ts';

/** A model and how it is to attend. */
export interface Contestant {
  readonly model: EncoderModel;
  readonly attention: ChosenAttention;
}

export interface Latency {
  /** Mean over the lengths of the texts. */
  readonly ms: number;
  /** Of each group, median. */
  readonly groupMs: readonly number[];
}

export interface MeasureLatenciesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called after each round, with the share that is done. */
  readonly progress?: ((done: number) => void) | undefined;
}

const rounds = 7;
/** Timed runs of a contestant in a round, after one that is not. */
const runs = 2;

/** Lets a model attend as was chosen; its gates are then those of the choice. */
export function applyAttention(model: EncoderModel, { layers, gates }: ChosenAttention): void {
  for (const [layer, state] of gates) model.gates.set(layer, state);
  setAttention(model, layers);
}

/** All in turn, so that a busy moment of the machine meets all alike. The models attend like the last one afterwards. */
export async function measureLatencies(
  contestants: readonly Contestant[],
  groups: readonly LengthGroup[],
  { signal, progress }: MeasureLatenciesOptions = {},
): Promise<Latency[]> {
  const times = contestants.map(() => groups.map((): number[] => []));
  for (let round = 0; round < rounds; round++) {
    for (const [i, { model, attention }] of contestants.entries()) {
      applyAttention(model, attention);
      for (const [group, { text }] of groups.entries()) {
        for (let run = 0; run <= runs; run++) {
          const start = performance.now();
          await model.forward([text], { hidden: false, signal }, async ({ logits }) => readFloat32(logits!));
          // The first prepares programs, and brings the gates to the device.
          if (run > 0) times[i]![group]!.push(performance.now() - start);
        }
      }
    }
    progress?.((round + 1) / rounds);
  }
  return times.map((own) => {
    const groupMs = own.map(median);
    return { ms: groupMs.reduce((sum, ms, group) => sum + groups[group]!.share * ms, 0), groupMs };
  });
}
