// From data to what a head learns from. A row that does not do is named by file and line.

import { type RecallExample, type Row, readRows } from '@flashmla/evaluation';
import type { Architecture, TextTokenizer } from '@flashmla/model-swap';
import { breather } from '@flashmla/tensor';
import type { Example, Head } from '@flashmla/train';
import type { Context } from '../command.ts';
import { badInput } from '../errors.ts';
import type { DataConfig, FileConfig } from './config.ts';

export interface Encoding {
  readonly head: Head;
  readonly architecture: Architecture;
  readonly tokenizer: TextTokenizer;
}

export interface Examples {
  /** Those of an epoch, the same ones whenever they are asked for. */
  readonly ofEpoch: (epoch: number) => readonly Example[];
  /** Of an epoch. */
  readonly count: number;
  /** Texts that were longer than they may be, and were cut. */
  readonly truncated: number;
  /** What was wrong with rows that were left out. */
  readonly skipped: readonly string[];
}

/** @param skipBadRows default: the first bad row is raised */
export async function readExamples(
  data: DataConfig,
  encoding: Encoding,
  { skipBadRows, kept = false, ...context }: Context & { skipBadRows: boolean; kept?: boolean },
): Promise<Examples> {
  if ('recall' in data) return generated(data, kept);
  const examples: Example[] = [];
  const skipped: string[] = [];
  let truncated = 0;
  const fail = (error: unknown) => {
    if (!skipBadRows) throw error;
    skipped.push((error as Error).message);
  };
  const breathe = breather(context.signal);
  for (const source of data.files) {
    context.progress.start(`reading ${source.file}`);
    const rows = await readRows(source.file, { limit: source.limit, badLine: skipBadRows ? fail : undefined });
    for (const [index, row] of rows.entries()) {
      await breathe();
      context.progress.update(index / rows.length, `${index} of ${rows.length} rows`);
      try {
        const example = encode(row, source, encoding);
        if (example.truncated) truncated++;
        examples.push(example);
      } catch (error) {
        fail(placed(error, row));
      }
    }
  }
  context.progress.stop();
  if (examples.length === 0) {
    const files = data.files.map(({ file }) => file).join(', ');
    throw badInput(`${files} has no row to learn from${skipped[0] ? `; the first: ${skipped[0]}` : ''}.`);
  }
  return { ofEpoch: () => examples, count: examples.length, truncated, skipped };
}

/** @param kept the same ones in every epoch, which are never trained on */
function generated({ recall, examples: count }: Extract<DataConfig, { examples: number }>, kept: boolean): Examples {
  const exampleOf = ({ ids, types, labels }: RecallExample): Example => ({ ids, types, target: labels });
  const ofEpoch = (epoch: number): readonly Example[] => {
    if (kept) return recall.evaluationSet(count).map(exampleOf);
    const stream = recall.stream(epoch * count);
    return Array.from({ length: count }, () => exampleOf(stream.next().value));
  };
  return { ofEpoch, count, truncated: 0, skipped: [] };
}

function encode(row: Row, { maxTokens }: FileConfig, encoding: Encoding): Example & { truncated: boolean } {
  const { head, architecture } = encoding;
  const example = encoders[head.name](row, maxTokens, encoding);
  const fault = head.fault(example, architecture);
  if (fault) throw badInput(`${row.place} ${fault}.`);
  return example;
}

type Encode = (row: Row, maxTokens: number | undefined, encoding: Encoding) => Example & { truncated: boolean };

const encoders: Readonly<Record<Head['name'], Encode>> = {
  'sequence-classification': (row, maxTokens, { tokenizer, architecture: { labels } }) => ({
    ...tokenizer.encode(row.text(), maxTokens),
    target: labels.length === 1 ? row.score() : row.label(labels),
  }),
  'token-classification'(row, maxTokens, { tokenizer, architecture }) {
    const { words, labels } = row.words(architecture.labels);
    const encoded = tokenizer.encodeWords(words, maxTokens);
    return { ...encoded, target: encoded.words.map((word) => labels[word] ?? -100) };
  },
  'masked-language-model': (row, maxTokens, { tokenizer }) => tokenizer.encode(row.text(), maxTokens),
};

/** An error that says where the row is, whoever raised it. */
function placed(error: unknown, { place }: Row): unknown {
  const { message } = error as Error;
  return message.includes(place) ? error : badInput(`${place}: ${message.replace(/^\[\S+\] /, '')}`, { cause: error });
}
