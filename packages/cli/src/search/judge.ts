// What a model answers with an attention that was chosen for it, and how good that is.

import { accuracy, measure, predictor } from '@flashmla/evaluation';
import { applyAttention, type ChosenAttention, type EncoderModel, logitError } from '@flashmla/model-swap';
import type { SearchExamples } from './examples.ts';

export interface Judgement {
  /** Share of labels that are the data's; null where it has none. */
  readonly accuracy: number | null;
  /** The task's own metrics. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Share of labels that dense attention gives too; null for a model that gives a score. */
  readonly agreement: number | null;
  /** Of the answers from those of dense attention, mean over the texts. */
  readonly logitError: number;
}

/** Judges by the answers of `reference` with dense attention. */
export class Judge {
  readonly #examples: SearchExamples;
  readonly #dense: Float32Array;
  readonly #labels: readonly string[];

  private constructor(examples: SearchExamples, labels: readonly string[], dense: Float32Array) {
    this.#examples = examples;
    this.#labels = labels;
    this.#dense = dense;
  }

  static async open(
    reference: EncoderModel,
    dense: ChosenAttention,
    examples: SearchExamples,
    signal: AbortSignal,
  ): Promise<Judge> {
    applyAttention(reference, dense);
    return new Judge(examples, reference.labels, await answersOf(reference, examples, signal));
  }

  async judge(model: EncoderModel, attention: ChosenAttention, signal: AbortSignal): Promise<Judgement> {
    applyAttention(model, attention);
    const answers = await answersOf(model, this.#examples, signal);
    const { task, judged } = this.#examples;
    const width = this.#labels.length;
    const rows = judged.map((_, i) => [i * width, (i + 1) * width] as const);
    const best = (logits: Float32Array) => logits.indexOf(Math.max(...logits));
    const mean = (of: (dense: Float32Array, given: Float32Array) => number) =>
      rows.reduce((sum, row) => sum + of(this.#dense.subarray(...row), answers.subarray(...row)), 0) / rows.length;
    const predicted = task.metrics.length > 0 ? predictor(task, this.#labels)(answers) : [];
    const expected = judged.map((example) => example.expected);
    return {
      accuracy: task.labels ? accuracy(predicted, expected) : null,
      metrics: measure(task, predicted, expected) as Record<string, number>,
      agreement: width > 1 ? mean((dense, given) => Number(best(dense) === best(given))) : null,
      logitError: mean(logitError),
    };
  }
}

/** Logits, [texts, labels]. */
async function answersOf(model: EncoderModel, { judged }: SearchExamples, signal: AbortSignal): Promise<Float32Array> {
  const { logits } = await model.run(
    judged.map(({ text }) => text),
    { signal, hidden: false },
  );
  return logits!.array as Float32Array;
}
