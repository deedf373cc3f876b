// Architecture search over how the layers of a model attend: what there is to choose is measured once, and then searched
// under as many budgets as one likes. The searches themselves are gating's, and know nothing but figures.

import { cheapest, type Found, searchByEvolution, searchByRelaxation } from '@flashmla/gating';
import { FlashMLAError } from '@flashmla/tensor';
import type { EncoderModel } from '../model.ts';
import type { TextInput } from '../tokenizer.ts';
import type { SearchedGate } from './candidates.ts';
import { type Choices, type ChosenAttention, choicesOf, chosenAttention, uniformAttention } from './choices.ts';
import { type Latency, measureLatencies } from './latency.ts';
import { type LengthGroup, lengthGroups } from './length-groups.ts';
import { type Costs, measureCosts } from './measure-costs.ts';
import { type Errors, measureErrors } from './measure-errors.ts';
import { type Prepared, prepare } from './prepare.ts';

export const searchMethods = ['relaxation', 'evolution'] as const;
export type SearchMethod = (typeof searchMethods)[number];

const searches = { relaxation: searchByRelaxation, evolution: searchByEvolution };

export interface MeasureChoicesOptions {
  /** Gates that layers may have; default content and block. */
  readonly gates?: readonly SearchedGate[];
  /** Of what is random; default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((task: string, done: number) => void) | undefined;
}

/** What a method found under a budget, and what it is predicted to be. */
export interface FoundAttention {
  readonly attention: ChosenAttention;
  /** Of one text, mean over the lengths. */
  readonly predictedMs: number;
  /** How far answers are from those of dense attention, mean over the texts; see `logitError`. */
  readonly predictedError: number;
}

/** The measured choices of a model. */
export class AttentionSearch {
  readonly model: EncoderModel;
  readonly groups: readonly LengthGroup[];
  /** The whole model with dense attention. */
  readonly dense: Latency;
  readonly costs: Costs;
  readonly errors: Errors;
  readonly choices: Choices;
  readonly #prepared: Prepared;
  readonly #seed: number;

  private constructor(init: {
    model: EncoderModel;
    groups: readonly LengthGroup[];
    dense: Latency;
    costs: Costs;
    errors: Errors;
    prepared: Prepared;
    seed: number;
  }) {
    this.model = init.model;
    this.groups = init.groups;
    this.dense = init.dense;
    this.costs = init.costs;
    this.errors = init.errors;
    this.choices = choicesOf(init.prepared, init.groups, init.costs, init.errors);
    this.#prepared = init.prepared;
    this.#seed = init.seed;
  }

  /**
   * Measures what each layer of a classifier may choose, on the model's backend, at the lengths of `texts`: what it costs,
   * against dense attention, and what it loses, on `calibration`. The model must not run otherwise meanwhile, and is dense
   * afterwards.
   *
   * @param texts all that the model is to be fast for
   * @param calibration some of such texts, of all lengths
   * @throws FlashMLAError 'invalid-argument' for a model without a head, or with nothing to choose
   */
  static async measure(
    model: EncoderModel,
    texts: readonly TextInput[],
    calibration: readonly TextInput[],
    { gates = ['content', 'block'], seed = 0, signal, progress }: MeasureChoicesOptions = {},
  ): Promise<AttentionSearch> {
    if (model.labels.length === 0) {
      throw new FlashMLAError(
        'invalid-argument',
        '[model-swap] search: this model has no classification head, so that there are no answers to compare; give one that has.',
      );
    }
    const report = (task: string) => (done: number) => progress?.(task, done);
    const groups = lengthGroups(model.encode(texts));
    const prepared = await prepare(model, calibration, gates, { seed, signal });
    const costs = await measureCosts(model, prepared, groups, { signal, progress: report('timing the choices') });
    const errors = await measureErrors(model, prepared, groups, model.encode(calibration), {
      ...{ signal, progress: report('measuring what they lose') },
    });
    const [dense] = await measureLatencies([{ model, attention: denseAttention(model) }], groups, { signal });
    return new AttentionSearch({ model, groups, dense: dense!, costs, errors, prepared, seed });
  }

  /** What the fastest choices are predicted to take. */
  get leastMs(): number {
    return this.dense.ms + cheapest(this.choices.table).cost;
  }

  /** The best that a method finds within `latencyMs`. @throws FlashMLAError 'invalid-argument' for less than `leastMs` */
  async find(method: SearchMethod, latencyMs: number, signal?: AbortSignal): Promise<FoundAttention> {
    const found: Found = await searches[method](this.choices.table, {
      ...{ budget: latencyMs - this.dense.ms, seed: this.#seed, signal },
    });
    return {
      attention: chosenAttention(this.model, this.#prepared, this.choices, found),
      predictedMs: this.dense.ms + found.cost,
      predictedError: found.error,
    };
  }

  /** Content gates with lists of k keys in every layer that has a choice; undefined where none were among the choices. */
  uniform(k: number): ChosenAttention | undefined {
    return uniformAttention(this.model, this.#prepared, k);
  }
}

export const denseAttention = (model: EncoderModel): ChosenAttention => ({
  layers: model.encoder.layer.map(() => 'dense'),
  gates: new Map(),
});
