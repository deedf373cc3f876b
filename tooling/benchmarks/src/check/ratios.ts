// Whether a change made something slower, from two results files of `flashmla bench`: by how many times as fast ours is as
// what ran beside it in the same command, never by times. A time depends on the machine and its day; a ratio hardly does.

import { FlashMLAError } from '@flashmla/tensor';
import type { ResultRow, ResultsFile } from '@flashmla/workloads';

export interface RatioChange {
  /** E.g. '1 × 512 tokens: flashmla-sparse against onnxruntime-node int8'. */
  readonly what: string;
  /** Time of the other ÷ our time; null where one of them has no time. */
  readonly before: number | null;
  readonly after: number | null;
  readonly verdict: 'kept' | 'better' | 'worse' | 'lost' | 'not-comparable';
}

/**
 * Every pair of ours and what it ran beside that the baseline has: peers, and for sparse our own dense.
 *
 * @param tolerance how much smaller a ratio may be, e.g. 0.15; as much larger is called better
 * @returns 'lost' where ours has no time any more, 'not-comparable' where only the other has none
 * @throws FlashMLAError 'invalid-argument' for files of different subjects, models, precisions, backends or threads
 */
export function compareRatios(baseline: ResultsFile, candidate: ResultsFile, tolerance: number): RatioChange[] {
  checkComparable(baseline, candidate);
  const now = new Map(candidate.results.map((row) => [keyOf(row), row]));
  return pairsOf(baseline.results).map(([own, other]) => {
    const [ownNow, otherNow] = [now.get(keyOf(own)), now.get(keyOf(other))];
    const before = ratioOf(own, other);
    const after = ownNow && otherNow ? ratioOf(ownNow, otherNow) : null;
    const what = `${own.batch} × ${own.tokens} tokens: ${own.implementation} against ${nameOf(other)}`;
    return { what, before, after, verdict: verdictOf(before, after, ownNow, tolerance) };
  });
}

function verdictOf(
  before: number | null,
  after: number | null,
  ownNow: ResultRow | undefined,
  tolerance: number,
): RatioChange['verdict'] {
  if (ownNow && ownNow.medianMs === null) return 'lost';
  if (before === null || after === null) return 'not-comparable';
  if (after < before * (1 - tolerance)) return 'worse';
  return after > before * (1 + tolerance) ? 'better' : 'kept';
}

function checkComparable(baseline: ResultsFile, candidate: ResultsFile): void {
  const facts = ({ subject, model, dtype, machine }: ResultsFile) => ({
    ...{ subject, model, dtype },
    ...{ backend: machine.backend, threads: machine.threads },
  });
  const [before, after] = [facts(baseline), facts(candidate)];
  for (const name of Object.keys(before) as (keyof typeof before)[]) {
    if (before[name] === after[name]) continue;
    throw new FlashMLAError(
      'invalid-argument',
      `[benchmarks] the baseline has ${name} '${before[name]}', the candidate '${after[name]}': their ratios say nothing about ` +
        'each other. Measure both with the same command.',
    );
  }
}

/** Each timed row of ours with every timed row of the same size that it is compared with. */
function pairsOf(rows: readonly ResultRow[]): [own: ResultRow, other: ResultRow][] {
  return rows.flatMap((own) =>
    rows
      .filter((other) => isOther(own, other) && other.batch === own.batch && other.tokens === own.tokens)
      .map((other): [ResultRow, ResultRow] => [own, other]),
  );
}

function isOther(own: ResultRow, other: ResultRow): boolean {
  if (!isOwn(own) || own.medianMs === null || other.medianMs === null) return false;
  return !isOwn(other) || (own.implementation === 'flashmla-sparse' && other.implementation === 'flashmla-dense');
}

const isOwn = ({ implementation }: ResultRow) => implementation.startsWith('flashmla');

const nameOf = ({ implementation, precision }: ResultRow) => `${implementation} ${precision}`;

const keyOf = (row: ResultRow) => `${nameOf(row)} ${row.batch} ${row.tokens}`;

const ratioOf = (own: ResultRow, other: ResultRow) =>
  own.medianMs === null || other.medianMs === null ? null : other.medianMs / own.medianMs;
