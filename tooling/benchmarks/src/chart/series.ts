// From results files to what a chart shows: for each batch a panel, in it a line for each implementation, tokens per
// second over the length of a text.

import { FlashMLAError } from '@flashmla/tensor';
import type { ResultRow, ResultsFile } from '@flashmla/workloads';

export interface Point {
  /** Of each text. */
  readonly tokens: number;
  /** Tokens per second, of all texts together: by the median time, and by the longest and the shortest. */
  readonly rate: number;
  readonly least: number;
  readonly most: number;
}

export interface Series {
  readonly label: string;
  readonly family: 'flashmla' | 'onnxruntime-node' | 'onnxruntime-web';
  /** Of several lines of a family, which, the same in all panels: 0 is drawn solid. */
  readonly rank: number;
  /** By length. */
  readonly points: readonly Point[];
  /** What has no point, and why. */
  readonly missing: readonly { readonly tokens: number; readonly why: string }[];
}

export interface Panel {
  readonly batch: number;
  readonly series: readonly Series[];
}

const reasons: Readonly<Record<ResultRow['outcome'], string>> = {
  timed: '',
  different: 'another output',
  'out-of-memory': 'out of memory',
  'time-limit': 'too slow to wait for',
  failed: 'failed',
};

/** A row with what its file says of all. */
type LabelledRow = ResultRow & { readonly label: string };

/**
 * Where several files have the same point, its rate is by the median of their medians, its spread that of all.
 *
 * @throws FlashMLAError 'invalid-argument' for files of different subjects, models, machines or numbers of threads
 */
export function panelsOf(files: readonly ResultsFile[]): Panel[] {
  checkTogether(files);
  const rows = files.flatMap((file) => file.results.map((row) => ({ ...row, label: labelOf(file, row) })));
  const ranks = ranksOf(rows);
  return distinct(rows.map(({ batch }) => batch))
    .sort((a, b) => a - b)
    .map((batch) => ({
      batch,
      series: seriesOf(
        rows.filter((row) => row.batch === batch),
        ranks,
      ),
    }));
}

/** The rank of each label. */
function ranksOf(rows: readonly LabelledRow[]): Map<string, number> {
  const labelsOf = new Map<string, string[]>();
  for (const row of rows) {
    const labels = labelsOf.get(familyOf(row)) ?? [];
    labelsOf.set(familyOf(row), distinct([...labels, row.label]));
  }
  return new Map([...labelsOf.values()].flatMap((labels) => labels.map((label, rank) => [label, rank] as const)));
}

function seriesOf(rows: readonly LabelledRow[], ranks: ReadonlyMap<string, number>): Series[] {
  return distinct(rows.map(({ label }) => label)).map((label) => {
    const own = rows.filter((row) => row.label === label);
    const family = familyOf(own[0]!);
    const rank = ranks.get(label)!;
    const lengths = distinct(own.map(({ tokens }) => tokens)).sort((a, b) => a - b);
    const points = lengths.flatMap((tokens) => pointOf(own.filter((row) => row.tokens === tokens)) ?? []);
    const missing = lengths
      .filter((tokens) => !points.some((point) => point.tokens === tokens))
      .map((tokens) => ({ tokens, why: reasons[own.find((row) => row.tokens === tokens)!.outcome] }));
    return { label, family, rank, points, missing };
  });
}

function pointOf(rows: readonly ResultRow[]): Point | undefined {
  const timed = rows.filter(({ medianMs }) => medianMs !== null);
  if (timed.length === 0) return undefined;
  const { batch, tokens } = timed[0]!;
  const rate = (ms: number) => (1000 * batch * tokens) / ms;
  const medians = timed.map(({ medianMs }) => medianMs!).sort((a, b) => a - b);
  const middle = (medians.length - 1) / 2;
  const median = (medians[Math.floor(middle)]! + medians[Math.ceil(middle)]!) / 2;
  return {
    tokens,
    rate: rate(median),
    least: rate(Math.max(...timed.map(({ maxMs }) => maxMs!))),
    most: rate(Math.min(...timed.map(({ minMs }) => minMs!))),
  };
}

function labelOf({ machine }: ResultsFile, { implementation, precision }: ResultRow): string {
  const kind = precision === 'float32' ? '' : ` ${precision}`;
  if (!implementation.startsWith('flashmla')) return `${implementation}${kind}`;
  return `FlashMLA ${machine.backend}${kind}, ${implementation.slice('flashmla-'.length)}`;
}

const familyOf = ({ implementation }: ResultRow): Series['family'] =>
  implementation.startsWith('flashmla') ? 'flashmla' : (implementation as Series['family']);

function checkTogether(files: readonly ResultsFile[]): void {
  const facts = ({ subject, model, machine }: ResultsFile) =>
    `${subject} of ${model}, ${machine.threads} threads, ${machine.cpu}, Node ${machine.node}`;
  const all = distinct(files.map(facts));
  if (all.length === 1) return;
  throw new FlashMLAError(
    'invalid-argument',
    `[benchmarks] one chart shows one subject on one machine; given were ${all.join('; ') || 'no results'}.`,
  );
}

const distinct = <T>(values: readonly T[]): T[] => [...new Set(values)];
