// What `flashmla train` is told, in a file: read and checked as a whole before anything else happens. The README of this
// package describes the fields.

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type AssociativeRecall, associativeRecall } from '@flashmla/evaluation';
import { gateNames } from '@flashmla/gating';
import type { HeadName } from '@flashmla/model-swap';
import { floatDTypes } from '@flashmla/tensor';
import { checkTrainOptions, type TrainOptions } from '@flashmla/train';
import { badInput } from '../errors.ts';
import { type Fields, type JsonObject, readFields } from './fields.ts';
import { headNames } from './heads.ts';

/** Rows of files, or sequences that are generated. */
export type DataConfig =
  | { readonly files: readonly FileConfig[] }
  | { readonly recall: AssociativeRecall; readonly examples: number };

export interface FileConfig {
  readonly file: string;
  /** Longer texts are cut. */
  readonly maxTokens: number | undefined;
  /** Rows to take from the start. */
  readonly limit: number | undefined;
}

/** What the model is before. */
export type StartConfig =
  | { readonly from: string }
  | {
      /** Fields of config.json. */
      readonly model: JsonObject;
      /** tokenizer.json, or a folder with it; none where data is generated. */
      readonly tokenizer: string | undefined;
    };

export interface TrainConfig {
  readonly head: HeadName;
  readonly start: StartConfig;
  readonly labels: readonly string[] | undefined;
  readonly data: DataConfig;
  readonly validation: DataConfig | undefined;
  readonly training: TrainOptions;
  readonly checkpointEverySteps: number | undefined;
  readonly dtype: 'float32' | 'float16';
  readonly out: string;
  /** As it was given. */
  readonly given: unknown;
}

/** @throws FlashMLAError 'invalid-argument' that names the file and the field */
export async function readTrainConfig(file: string): Promise<TrainConfig> {
  const given = await readJson(file);
  const pathOf = (path: string) => resolve(dirname(file), path);
  return readFields(given, file, (fields): TrainConfig => {
    const head = fields.choice('head', headNames) ?? fields.wrong('head', `one of ${headNames.join(', ')}`);
    const data = readData(fields, 'data', pathOf) ?? fields.wrong('data', dataExpected);
    const validation = readData(fields, 'validation', pathOf);
    if ('recall' in data && head !== 'token-classification') {
      fields.wrong('head', 'token-classification, which is what associativeRecall is for');
    }
    if (validation && 'recall' in data !== 'recall' in validation)
      fields.wrong('validation', 'data of the kind of data');
    const start = readStart(fields, data, pathOf);
    const { training, checkpointEverySteps } = fields.object('training', readTraining) ?? {
      ...{ training: {}, checkpointEverySteps: undefined },
    };
    const out = fields.text('out') ?? fields.wrong('out', 'the folder that the model goes to');
    return {
      ...{ head, start, data, validation, training, checkpointEverySteps, given },
      labels: readLabels(fields, head, start, data),
      dtype: fields.choice('dtype', ['float32', 'float16']) ?? 'float32',
      out: pathOf(out),
    };
  });
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw badInput(`${file} can't be read as JSON: ${(cause as Error).message}. Give a file as the README has it.`, {
      cause,
    });
  }
}

const dataExpected = 'a list of { file, maxTokens?, limit? }, or { associativeRecall, examples }';

function readData(fields: Fields, name: string, pathOf: (path: string) => string): DataConfig | undefined {
  if (!fields.has(name)) return undefined;
  if (!fields.isList(name)) return fields.object(name, readRecall);
  const files = fields.list(name, (one) => ({
    file: pathOf(one.text('file') ?? one.wrong('file', 'a JSONL file, or one of GLUE')),
    maxTokens: one.whole('maxTokens', 1),
    limit: one.whole('limit', 1),
  }))!;
  return { files };
}

function readRecall(fields: Fields): DataConfig {
  const expected = 'what associativeRecall takes: tokens, keys, values, pairs?, queries?, seed?';
  const recall =
    fields.object('associativeRecall', (one) => {
      const {
        tokens = Number.NaN,
        keys = Number.NaN,
        values = Number.NaN,
        seed = 0,
        ...rest
      } = one.numbers(...(['tokens', 'keys', 'values', 'pairs', 'queries', 'seed'] as const));
      return associativeRecall({ tokens, keys, values, seed, ...rest });
    }) ?? fields.wrong('associativeRecall', expected);
  const examples = fields.whole('examples', 1) ?? fields.wrong('examples', 'the number of sequences of an epoch');
  return { recall, examples };
}

function readStart(fields: Fields, data: DataConfig, pathOf: (path: string) => string): StartConfig {
  const from = fields.text('from');
  const model = fields.anything('model');
  const tokenizer = fields.text('tokenizer');
  if ((from === undefined) === (model === undefined)) {
    fields.wrong(
      model ? 'model' : 'from',
      "one of both: from, a folder to fine-tune, or model, a new one's config.json",
    );
  }
  if (from !== undefined || 'recall' in data) {
    if (tokenizer !== undefined) fields.wrong('tokenizer', `none: ${from ? "the folder's own" : 'data has no text'}`);
  } else if (tokenizer === undefined) {
    fields.wrong('tokenizer', "a new model's tokenizer.json, or a folder with it");
  }
  if (from !== undefined) return { from: pathOf(from) };
  return { model: model!, tokenizer: tokenizer === undefined ? undefined : pathOf(tokenizer) };
}

function readLabels(
  fields: Fields,
  head: HeadName,
  start: StartConfig,
  data: DataConfig,
): readonly string[] | undefined {
  const labels = fields.texts('labels');
  if ('recall' in data) {
    if (labels) fields.wrong('labels', 'none: those of associativeRecall are its values');
    return Array.from({ length: data.recall.labels }, (_, value) => `${value}`);
  }
  if (head === 'masked-language-model') {
    if (labels) fields.wrong('labels', 'none: a masked language model has no labels');
  } else if (!labels && !('from' in start)) {
    fields.wrong('labels', "the labels' names, by number; one for a score");
  }
  if (head === 'token-classification' && labels?.length === 1) fields.wrong('labels', 'two or more');
  return labels;
}

/** What is there, by type; whether it makes sense is for @flashmla/train to say. */
function readTraining(fields: Fields): Pick<TrainConfig, 'training' | 'checkpointEverySteps'> {
  const activations = fields.choice('activations', floatDTypes);
  const optimizer = fields.object('optimizer', (one) => one.numbers('beta1', 'beta2', 'epsilon', 'weightDecay'));
  const sparse = fields.object('sparse', (one) => {
    const gate = one.choice('gate', gateNames);
    return { ...(gate && { gate }), ...one.numbers('k', 'after', 'learnEvery', 'learningRate') };
  });
  const training: TrainOptions = {
    ...fields.numbers('epochs', 'steps', 'batchTokens', 'accumulate', 'learningRate', 'warmUp', 'maxNorm'),
    ...fields.numbers('dropout', 'randomOffsets', 'seed'),
    ...{ ...(activations && { activations }), ...(optimizer && { optimizer }), ...(sparse && { sparse }) },
  };
  checkTrainOptions(training);
  return { training, checkpointEverySteps: fields.whole('checkpointEverySteps', 1) };
}
