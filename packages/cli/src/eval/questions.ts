// What is asked of a model, and how its answers are measured: labels or scores of texts, or labels of words.

import {
  accuracy,
  entityF1,
  type MetricName,
  marksEntities,
  measure,
  parseJsonl,
  predictor,
  readDataset,
  readTextFile,
  type TaskName,
} from '@flashmla/evaluation';
import type { EncodedText, EncoderModel, HeadName, RunResult, TextInput } from '@flashmla/model-swap';
import { badInput } from '../errors.ts';

export interface Answers {
  /** Share of labels that are the data's; null where rows have scores instead. */
  readonly accuracy: number | null;
  /** In JSON, null where one is not defined, as a correlation with equal scores. */
  readonly metrics: Partial<Record<MetricName, number>>;
  /** What was answered; undefined for a model that gives a score. */
  readonly labels: readonly string[] | undefined;
}

export interface Questions {
  /** What the rows are about, if it has a name. */
  readonly task?: TaskName | undefined;
  /** A text each. */
  readonly inputs: readonly (TextInput | EncodedText)[];
  /** Those there are beside accuracy. */
  readonly metrics: readonly MetricName[];
  /** @param result of all inputs, in order */
  answersOf(result: Omit<RunResult, 'lastHiddenState'>): Answers;
}

export interface QuestionsOptions {
  readonly task: TaskName | undefined;
  /** Rows to take from the start; default: all. */
  readonly limit: number | undefined;
}

/** What a file asks of a model; raises, before anything runs, for a model that can't answer it. */
export function readQuestions(model: EncoderModel, file: string, options: QuestionsOptions): Promise<Questions> {
  const read = model.head && readers[model.head];
  if (read) return read(model, file, options);
  const head = model.head === undefined ? 'no head' : `a head for ${model.head}`;
  throw badInput(
    `this model has ${head}; eval needs one that has labels or a score for a text, or labels for its words.`,
  );
}

type Read = (model: EncoderModel, file: string, options: QuestionsOptions) => Promise<Questions>;

const readers: Readonly<Partial<Record<HeadName, Read>>> = {
  async 'sequence-classification'({ labels: names }, file, { task: wanted, limit }) {
    const { task, examples } = await readDataset(file, {
      labels: names,
      ...(wanted !== undefined && { task: wanted }),
      ...(limit !== undefined && { limit }),
    });
    const expected = examples.map((example) => example.expected);
    const predictionsOf = task.metrics.length > 0 ? predictor(task, names) : () => [];
    return {
      task: task.name,
      inputs: examples.map(({ text }) => text),
      metrics: task.metrics.filter((name) => name !== 'accuracy'),
      answersOf({ logits, labels }) {
        const predicted = predictionsOf(logits!.array as Float32Array);
        return {
          accuracy: task.labels ? accuracy(predicted, expected) : null,
          metrics: measure(task, predicted, expected),
          labels,
        };
      },
    };
  },

  async 'token-classification'({ labels: names, tokenizer }, file, { task, limit }) {
    if (task !== undefined) {
      throw badInput(`--task is '${task}', which is about whole texts, and this model labels words; leave it out.`);
    }
    const rows = parseJsonl(await readTextFile(file), file, limit).map((row) => row.words(names));
    const inputs = rows.map(({ words }) => tokenizer.encodeWords(words));
    // Words behind the model's last token have no answer, and count nowhere.
    const expected = rows.map(({ labels }, text) => {
      const read = new Set(inputs[text]!.words);
      return labels.filter((_, word) => read.has(word)).map((label) => names[label]!);
    });
    if (expected.flat().length === 0) throw badInput(`${file} has no words; expected rows of { tokens, labels }.`);
    const metrics: MetricName[] = marksEntities(names) ? ['f1'] : [];
    const numbers = (texts: readonly (readonly string[])[]) => texts.flat().map((label) => names.indexOf(label));
    return {
      inputs,
      metrics,
      answersOf({ tokenLabels }) {
        // A word's label is that of its first piece.
        const predicted = tokenLabels!.map((tokens, text) =>
          tokens.filter(({ index }) => inputs[text]!.words[index]! >= 0).map(({ label }) => label),
        );
        const share = accuracy(numbers(predicted), numbers(expected));
        const f1 = metrics.length > 0 && { f1: entityF1(predicted, expected) };
        return { accuracy: share, metrics: { accuracy: share, ...f1 }, labels: predicted.flat() };
      },
    };
  },
};
