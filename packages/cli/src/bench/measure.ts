// All sizes of a benchmark, one after the other. What was out of memory or time at one length is not tried at a longer one,
// and its row says so.

import { recommendK } from '@flashmla/gating';
import type { Backend } from '@flashmla/tensor';
import type { ResultRow } from '@flashmla/workloads';
import type { ProgressLine } from '../progress.ts';
import { type CompareOptions, compare, type Implementation, type PeerChoice, type Refusal } from './compare.ts';
import { GraphFiles } from './peers/graph-files.ts';
import type { OpenedSubject } from './subjects.ts';

export interface MeasureOptions {
  readonly backend: Backend;
  readonly batches: readonly number[];
  readonly lengths: readonly number[];
  /** Default: by length. */
  readonly k: number | undefined;
  readonly own: CompareOptions['own'];
  readonly peers: readonly PeerChoice[];
  readonly threads: number;
  readonly limitMs: number;
  readonly dtype: string;
  readonly signal: AbortSignal;
  readonly progress: ProgressLine;
  /** The built peer-process.js; default: where the built command line has it. */
  readonly script?: URL;
}

export interface Measured {
  readonly results: ResultRow[];
  /** Of the peers that ran. */
  readonly versions: Readonly<Record<string, string>>;
}

/** @param done is called after each size with all that is known by then */
export async function measure(
  subject: OpenedSubject,
  { batches, lengths, k, progress, ...shared }: MeasureOptions,
  done: (measured: Measured) => Promise<void>,
): Promise<Measured> {
  const versions: Record<string, string> = {};
  const results: ResultRow[] = [];
  await using files = new GraphFiles();
  for (const batch of batches) {
    for (const tokens of lengths) {
      const keys = k ?? recommendK(tokens);
      const workload = subject.workloadOf(tokens, keys, batch);
      const options: CompareOptions = {
        ...shared,
        ...{ batch, tokens, k: keys, files, versions },
        progress(title, share) {
          if (share === 0) progress.start(`batch ${batch}, ${tokens} tokens: ${title}`);
          progress.update(share);
        },
        refuses: (one) => shorterRefusal(results, one, batch, tokens),
      };
      try {
        results.push(...(await compare(workload, options)));
      } finally {
        workload.dispose();
      }
      await done({ results, versions });
    }
  }
  return { results, versions };
}

/** What ended this implementation at no longer a length of the same batch, where a longer one can't do better. */
function shorterRefusal(
  results: readonly ResultRow[],
  { implementation, precision }: Implementation,
  batch: number,
  tokens: number,
): Refusal | undefined {
  for (const row of results) {
    const { outcome } = row;
    const isSame = row.implementation === implementation && row.precision === precision && row.batch === batch;
    if (!isSame || row.tokens > tokens || (outcome !== 'out-of-memory' && outcome !== 'time-limit')) continue;
    return { outcome, error: `[flashmla] not run: it failed at ${row.tokens} tokens already, see there` };
  }
  return undefined;
}
