// From what a model gives to what it says, in the numbers of the task.

import { invalidArgument } from './errors.ts';
import { type MetricName, metrics } from './metrics/index.ts';
import type { Task } from './tasks.ts';

/**
 * What turns a model's outputs into the number of the label, or the score, that it gives for each example.
 *
 * A model numbers its labels as it likes. Where it names them as the task does, names decide; else its numbers are the
 * task's.
 *
 * @param labels the model's names of its outputs
 * @returns a function of the outputs, the model's logits: f32 [examples, labels.length]
 * @throws FlashMLAError 'invalid-argument' for a model with another number of outputs than the task has answers
 */
export function predictor(task: Task, labels: readonly string[]): (outputs: Float32Array) => number[] {
  const width = task.labels?.length ?? 1;
  if (labels.length !== width) {
    throw invalidArgument(
      `the model has ${describe(labels.length)}; ${task.name ?? 'this data'} takes ${describe(width)}. ` +
        'Give a model that was trained for it.',
    );
  }
  if (!task.labels) return (outputs) => [...outputs];
  const numbers = taskNumbers(task.labels, labels);
  return (outputs) =>
    Array.from({ length: outputs.length / width }, (_, example) => {
      const row = outputs.subarray(example * width, (example + 1) * width);
      return numbers[row.reduce((best, value, label) => (value > row[best]! ? label : best), 0)]!;
    });
}

/** The task's metrics of what was predicted. One that is not defined for it (NaN) stays so. */
export function measure(
  task: Task,
  predicted: readonly number[],
  expected: readonly number[],
): Partial<Record<MetricName, number>> {
  return Object.fromEntries(task.metrics.map((name) => [name, metrics[name](predicted, expected)]));
}

/** The task's number of each of the model's labels. */
function taskNumbers(names: readonly string[], labels: readonly string[]): number[] {
  const lower = names.map((name) => name.toLowerCase());
  const byName = labels.map((label) => lower.indexOf(label.toLowerCase()));
  return byName.includes(-1) ? labels.map((_, number) => number) : byName;
}

const describe = (outputs: number): string => (outputs === 1 ? 'one output, a score' : `${outputs} labels`);
