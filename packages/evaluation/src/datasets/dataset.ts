// From rows to a data set: one task, and examples that fit it.

import { invalidArgument, invalidFile } from '../errors.ts';
import { type Task, type TaskName, tasks } from '../tasks.ts';
import type { Row, Texts } from './row.ts';

export interface Example {
  readonly text: Texts;
  /** The number of the label among the task's labels, or the score. */
  readonly expected: number;
}

export interface Dataset {
  readonly task: Task;
  readonly examples: readonly Example[];
}

export interface DatasetOptions {
  /** Default: what the file tells, else what the rows have: labels or scores. */
  readonly task?: TaskName;
  /** Names of the labels that rows without a task have: the model's. One name stands for a model that gives a score. */
  readonly labels?: readonly string[];
  /** Rows to read from the start; default all. */
  readonly limit?: number;
  /** Whether texts alone will do, in all rows: their task then has no metrics, and what is expected is NaN. Default false. */
  readonly unanswered?: boolean;
}

/** @param rows at least one */
export function datasetOf(rows: readonly Row[], { task: name, labels, unanswered = false }: DatasetOptions): Dataset {
  if (unanswered && !rows.some(({ isAnswered }) => isAnswered)) {
    return { task: { metrics: [] }, examples: rows.map((row) => ({ text: row.text(), expected: Number.NaN })) };
  }
  const task = name ? tasks[name] : unnamedTask(rows[0]!, labels);
  return { task, examples: rows.map((row) => exampleOf(row, task)) };
}

function unnamedTask(row: Row, labels: readonly string[] | undefined): Task {
  if (!labels) {
    throw invalidArgument(
      `${row.place} does not tell what it is about; give the task, or the names of the model's labels.`,
    );
  }
  // A classifier has no score to compare with.
  if (row.answer() === 'score') return { metrics: labels.length === 1 ? ['pearson', 'spearman'] : [] };
  if (labels.length > 1)
    return { labels, metrics: labels.length === 2 ? ['accuracy', 'f1', 'matthews'] : ['accuracy'] };
  throw invalidFile(`${row.place} has a label, and the model has no labels to choose from; expected { a, b?, score }.`);
}

function exampleOf(row: Row, task: Task): Example {
  const text = row.text();
  const texts = typeof text === 'string' ? 1 : 2;
  if (task.texts !== undefined && texts !== task.texts) {
    throw invalidFile(
      `${row.place} has ${texts === 1 ? 'one text' : 'two texts'}; ${task.name} is about ` +
        `${task.texts === 1 ? 'one, { text } or { a }' : 'two, { a, b }'}.`,
    );
  }
  const wanted = task.labels ? 'label' : 'score';
  if (row.answer() !== wanted) {
    const who = task.name ?? 'the rows before';
    throw invalidFile(`${row.place} has a ${row.answer()}; expected a ${wanted}, as ${who} have it.`);
  }
  return { text, expected: task.labels ? row.label(task.labels) : row.score(task.scores) };
}
