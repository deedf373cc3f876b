// The TSV files of GLUE, as its tasks are downloaded: dev.tsv and train.tsv, for MRPC also msr_paraphrase_*.txt. A tab
// parts two columns and a line break two rows, without exception: quotes are text. The header tells the task; CoLA has
// none.

import { invalidFile } from '../errors.ts';
import type { TaskName } from '../tasks.ts';
import { Row } from './row.ts';

type GlueTask = Exclude<TaskName, 'imdb'>;

interface Layout {
  /** Titles of the columns; names of our own where the files have no header. */
  readonly columns: readonly string[];
  readonly hasHeader: boolean;
  /** The columns that are the fields of a row. */
  readonly fields: Readonly<{ a: string; b?: string; label?: string; score?: string }>;
}

const withHeader = (columns: string, fields: Layout['fields']): Layout => ({
  columns: columns.split(','),
  hasHeader: true,
  fields,
});

const layouts: Readonly<Record<GlueTask, Layout>> = {
  sst2: withHeader('sentence,label', { a: 'sentence', label: 'label' }),
  cola: {
    columns: ['source', 'label', 'star', 'sentence'],
    hasHeader: false,
    fields: { a: 'sentence', label: 'label' },
  },
  mrpc: withHeader('Quality,#1 ID,#2 ID,#1 String,#2 String', { a: '#1 String', b: '#2 String', label: 'Quality' }),
  stsb: withHeader('index,genre,filename,year,old_index,source1,source2,sentence1,sentence2,score', {
    a: 'sentence1',
    b: 'sentence2',
    score: 'score',
  }),
  qnli: withHeader('index,question,sentence,label', { a: 'question', b: 'sentence', label: 'label' }),
  rte: withHeader('index,sentence1,sentence2,label', { a: 'sentence1', b: 'sentence2', label: 'label' }),
};

const glueTasks = Object.keys(layouts) as readonly GlueTask[];

export interface GlueRows {
  readonly task: TaskName;
  readonly rows: readonly Row[];
}

/**
 * The rows of one of GLUE's TSV files, and the task they are of.
 *
 * @param file its name, for messages
 * @param limit rows to read from the start
 * @throws FlashMLAError 'invalid-file' for a first line that no task has, and for a row with another number of columns
 */
export function parseGlueTsv(text: string, file: string, limit = Number.POSITIVE_INFINITY): GlueRows {
  // MRPC's files begin with a byte order mark, which not every way of reading a file removes.
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const task = taskOf(lines[0]!.split('\t'), file);
  const { columns, hasHeader, fields } = layouts[task];
  const rows: Row[] = [];
  for (const [index, line] of lines.entries()) {
    if (rows.length >= limit) break;
    if (line === '' || (hasHeader && index === 0)) continue;
    const place = `${file}:${index + 1}`;
    const cells = line.split('\t');
    if (cells.length !== columns.length) {
      throw invalidFile(`${place} has ${cells.length} columns; ${task} has ${columns.length}: ${titles(columns)}.`);
    }
    const cell = (column: string) => cells[columns.indexOf(column)]!;
    const { a, b, label, score } = fields;
    rows.push(
      new Row(place, {
        a: cell(a),
        ...(b && { b: cell(b) }),
        ...(label && { label: numberOrText(cell(label)) }),
        ...(score && { score: numberOrText(cell(score)) }),
      }),
    );
  }
  if (rows.length === 0) throw invalidFile(`${file} has no rows; expected ${titles(columns)} in each line.`);
  return { task, rows };
}

function taskOf(firstLine: readonly string[], file: string): GlueTask {
  const task = glueTasks.find((name) => beginsSo(firstLine, layouts[name]));
  if (task) return task;
  const expected = glueTasks.map((name) => `${titles(layouts[name].columns)} (${name})`).join(', ');
  throw invalidFile(
    `${file}:1 has the columns ${titles(firstLine)}, which no task has; expected ${expected}. ` +
      'Test sets have no labels: give dev.tsv.',
  );
}

/** Whether a file of this layout begins so. Without a header it is the second column that tells: 0 or 1. */
function beginsSo(firstLine: readonly string[], { columns, hasHeader }: Layout): boolean {
  if (firstLine.length !== columns.length) return false;
  return hasHeader ? firstLine.every((cell, column) => cell === columns[column]) : /^[01]$/.test(firstLine[1]!);
}

/** Labels are numbers or names, scores are numbers; what is neither shows in the message about it. */
const numberOrText = (cell: string): number | string =>
  cell.trim() !== '' && Number.isFinite(Number(cell)) ? Number(cell) : cell;

const titles = (columns: readonly string[]): string => columns.map((column) => column.slice(0, 24)).join(' | ');
