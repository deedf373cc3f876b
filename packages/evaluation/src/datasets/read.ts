// Data sets from a disk: JSONL files, and folders and files of GLUE as they are downloaded.

import { invalidArgument, invalidFile } from '../errors.ts';
import { listFolder, readLines, readTextFile } from '../files.ts';
import { type Dataset, type DatasetOptions, datasetOf } from './dataset.ts';
import { parseGlueTsv } from './glue-tsv.ts';
import { parseJsonl, parseLine } from './jsonl.ts';
import type { Row, Texts } from './row.ts';

/** What a folder is evaluated on: the first of these that it has. MRPC's test set is public, and comes under its own name. */
const evaluated = ['dev.tsv', 'msr_paraphrase_test.txt'];

/**
 * A data set from a JSONL file of `{ text, label }` or `{ a, b?, label | score }` rows, from a folder of GLUE as it is
 * downloaded (of which it takes dev.tsv), or from one of the folder's files (.tsv, .txt).
 *
 * @throws FlashMLAError 'invalid-file', with file and line, for what can't be read or does not fit the task;
 * 'invalid-argument' for rows that name no task where `options` has neither task nor labels, and for a task that is not
 * the file's
 */
export async function readDataset(path: string, options: DatasetOptions = {}): Promise<Dataset> {
  const file = await fileOf(path);
  const text = await readTextFile(file);
  if (!/\.(tsv|txt)$/.test(file)) return datasetOf(parseJsonl(text, file, options.limit), options);
  const { task, rows } = parseGlueTsv(text, file, options.limit);
  if (options.task !== undefined && options.task !== task) {
    throw invalidArgument(`the task is '${options.task}', and ${file} has the columns of ${task}; name that, or none.`);
  }
  return datasetOf(rows, { ...options, task });
}

/**
 * The rows of a JSONL file, a line at a time, or of one of GLUE's files (.tsv, .txt), to be read as the caller likes.
 *
 * @param limit rows to take from the start; default: all
 * @throws FlashMLAError 'invalid-file' for what can't be read
 */
export async function readRows(file: string, { limit, badLine }: RowsOptions = {}): Promise<Row[]> {
  if (/\.(tsv|txt)$/.test(file)) return [...parseGlueTsv(await readTextFile(file), file, limit).rows];
  const rows: Row[] = [];
  let number = 0;
  for await (const line of readLines(file)) {
    number++;
    if (line.trim() === '') continue;
    if (rows.length === limit) break;
    try {
      rows.push(parseLine(line, `${file}:${number}`));
    } catch (error) {
      if (!badLine) throw error;
      badLine(error);
    }
  }
  return rows;
}

export interface RowsOptions {
  readonly limit?: number | undefined;
  /** Told of a line that is no JSON object, which is left out then; default: it is raised. */
  readonly badLine?: ((error: unknown) => void) | undefined;
}

/**
 * The texts of a JSONL file of `{ text }` or `{ a, b? }` rows, labelled or not.
 *
 * @param limit rows to take from the start; default: all
 */
export async function readTexts(file: string, limit?: number): Promise<Texts[]> {
  return parseJsonl(await readTextFile(file), file, limit).map((row) => row.text());
}

/**
 * The texts of a file one after the other, as they are asked for; the file may be larger than memory.
 *
 * @param file .txt: each line is a text; otherwise JSONL of `{ text }` or `{ a, b? }` rows. Empty lines are none.
 * @throws FlashMLAError 'invalid-file', with file and line, for what can't be read; and where there is no text
 */
export async function* streamTexts(file: string): AsyncGenerator<Texts, void> {
  const isPlain = file.endsWith('.txt');
  let number = 0;
  let isEmpty = true;
  for await (const line of readLines(file)) {
    number++;
    if (line.trim() === '') continue;
    isEmpty = false;
    yield isPlain ? line : parseLine(line, `${file}:${number}`).text();
  }
  if (isEmpty) throw invalidFile(`${file} has no texts; expected one ${isPlain ? '' : 'JSON object '}a line.`);
}

async function fileOf(path: string): Promise<string> {
  const names = await listFolder(path);
  if (!names) return path;
  const name = evaluated.find((one) => names.includes(one));
  if (name) return `${path.replace(/[\\/]+$/, '')}/${name}`;
  throw invalidFile(
    `${path} has none of ${evaluated.join(', ')}; give a folder of GLUE as it is downloaded, or a JSONL file.`,
  );
}
