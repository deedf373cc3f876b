// flashmla train-tokenizer: a WordPiece vocabulary from texts, in the files that a model folder has it in.

import { join } from 'node:path';
import { streamTexts } from '@flashmla/evaluation';
import { trainWordPiece } from '@flashmla/train';
import { command } from '../command.ts';
import { badInput } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';
import { parseWhole, required } from '../options.ts';
import { writeWhole } from '../write-whole.ts';

export const trainTokenizer = command({
  name: 'train-tokenizer',
  summary: 'Learns a WordPiece vocabulary from texts, as tokenizer.json in the Hugging Face format.',
  usage: '--data F [--data F …] --vocabulary N --out DIR [--cased] [--min-frequency N]',
  details:
    "Writes tokenizer.json and tokenizer_config.json into the folder, over those that are there. Words are BERT's; the same\n" +
    'texts give the same files, in whatever order they come.',
  options: {
    data: {
      type: 'string',
      value: 'F',
      description: 'JSONL of { text } or { a, b? }; or .txt, a text a line; may be given several times',
      multiple: true,
    },
    vocabulary: { type: 'string', value: 'N', description: 'most pieces, special tokens included' },
    out: { type: 'string', value: 'DIR', description: 'where the files go' },
    cased: { type: 'boolean', description: 'keeps case and accents; default: drops them' },
    'min-frequency': {
      type: 'string',
      value: 'N',
      description: 'times that two pieces must follow each other to become one; default 2',
    },
  },

  async run(values, { signal, progress }) {
    const files = values.data ?? [];
    if (files.length === 0) throw badInput('--data is missing; give it, e.g. --data reviews.jsonl.');
    const out = required('out', values.out, 'my-model');
    const vocabularySize = parseWhole('vocabulary', required('vocabulary', values.vocabulary, '8192'), 1)!;
    const minFrequency = parseWhole('min-frequency', values['min-frequency'], 1);
    progress.start('counting words');
    const start = performance.now();
    const trained = await trainWordPiece(textsOf(files), {
      vocabularySize,
      lowercase: !values.cased,
      minFrequency,
      signal,
      progress: ({ task, done }) =>
        progress.update(
          task === 'merge' ? done / vocabularySize : 0,
          `${done} ${task === 'merge' ? 'pieces' : 'texts'}`,
        ),
    });
    const { tokenizerJson, tokenizerConfig, ...counts } = trained;
    progress.stop();
    const elapsedMs = performance.now() - start;
    await makeFolder(out);
    // In this order: a folder that has tokenizer.json has both.
    await writeWhole(join(out, 'tokenizer_config.json'), asFile(tokenizerConfig));
    await writeWhole(join(out, 'tokenizer.json'), asFile(tokenizerJson));
    const { texts, words, distinctWords } = counts;
    const fewer = counts.vocabularySize < vocabularySize ? `, for want of frequent pairs not ${vocabularySize}` : '';
    return {
      json: { ...counts, elapsedMs },
      text:
        `${counts.vocabularySize} pieces${fewer}, from ${texts} texts of ${words} words, ${distinctWords} of them different, ` +
        `in ${(elapsedMs / 1000).toFixed(1)} s; tokenizer.json and tokenizer_config.json are in ${out}\n`,
    };
  },
});

/** The texts of all files, both of a pair. */
async function* textsOf(files: readonly string[]): AsyncGenerator<string, void> {
  for (const file of files) {
    for await (const texts of streamTexts(file)) {
      if (typeof texts === 'string') yield texts;
      else yield* texts;
    }
  }
}

const asFile = (content: object): string => `${JSON.stringify(content, null, 2)}\n`;
