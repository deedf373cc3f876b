// What a training starts from: the config.json of the model that is to come, its tokenizer, and the weights that there are.

import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { architectureOf, readConfig, readTokenizer, type TextTokenizer } from '@flashmla/model-swap';
import { FlashMLAError } from '@flashmla/tensor';
import type { TrainConfig } from './config.ts';
import type { JsonObject } from './fields.ts';
import { recallTokenizer } from './recall-tokenizer.ts';

export interface Start {
  /** config.json of the model that is to come. */
  readonly config: JsonObject;
  readonly tokenizer: TextTokenizer;
  /** What the tokenizer is made of, by file name. */
  readonly tokenizerFiles: ReadonlyMap<string, Uint8Array>;
  /** A folder with weights. */
  readonly from: string | undefined;
}

/** @throws FlashMLAError 'invalid-file' or 'unsupported', naming the file or field */
export async function readStart({ start, head, labels, dtype, data }: TrainConfig): Promise<Start> {
  const fresh = { head, labels, dtype };
  if ('from' in start) {
    const config = configOf(await readConfig(start.from), fresh);
    const tokenizer = await readTokenizer(start.from, architectureOf(config));
    return { config, tokenizer, tokenizerFiles: await tokenizerFiles(start.from, 'tokenizer.json'), from: start.from };
  }
  const files = 'recall' in data ? recallTokenizer(data.recall) : await filesAt(start.tokenizer!);
  const { vocabulary } = await readTokenizer(Object.fromEntries(files));
  const sizes = { vocab_size: vocabulary, ...('recall' in data && { type_vocab_size: data.recall.tokenTypes }) };
  const config = configOf({ ...sizes, ...start.model }, fresh);
  const tokenizer = await readTokenizer(Object.fromEntries(files), architectureOf(config));
  return { config, tokenizer, tokenizerFiles: files, from: undefined };
}

/** Fields of config.json that tell of other labels. */
const ofLabels = ['num_labels', 'id2label', 'label2id', 'problem_type'];

function configOf(
  base: JsonObject,
  { head, labels, dtype }: Pick<TrainConfig, 'head' | 'labels' | 'dtype'>,
): JsonObject {
  // Two names of one field: transformers changed it.
  const kept = Object.entries(base).filter(([name]) => name !== 'dtype' && !(labels && ofLabels.includes(name)));
  return {
    ...Object.fromEntries(kept),
    ...(labels && {
      id2label: Object.fromEntries(labels.entries()),
      label2id: Object.fromEntries(labels.map((label, number) => [label, number])),
    }),
    ...(labels &&
      head === 'sequence-classification' && {
        problem_type: labels.length === 1 ? 'regression' : 'single_label_classification',
      }),
    torch_dtype: dtype,
  };
}

const filesAt = (path: string) =>
  path.endsWith('.json') ? tokenizerFiles(dirname(path), basename(path)) : tokenizerFiles(path, 'tokenizer.json');

async function tokenizerFiles(folder: string, name: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const sources = { 'tokenizer.json': name, 'tokenizer_config.json': 'tokenizer_config.json' };
  for (const [target, source] of Object.entries(sources)) {
    try {
      files.set(target, new Uint8Array(await readFile(join(folder, source))));
    } catch (cause) {
      if (target !== 'tokenizer.json' && (cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new FlashMLAError(
        'invalid-file',
        `[flashmla] ${join(folder, source)} can't be read: ${(cause as Error).message}. Give a tokenizer in its fast form.`,
        { cause },
      );
    }
  }
  return files;
}
