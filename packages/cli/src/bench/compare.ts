// One size of a benchmark: every implementation is run once and its output compared, then all are timed in turn.

import { type Backend, FlashMLAError } from '@flashmla/tensor';
import {
  largestDifference,
  type Outcome,
  type OwnName,
  type PeerName,
  type Precision,
  type ResultRow,
  relativeError,
  type Workload,
} from '@flashmla/workloads';
import { errorLine } from '../errors.ts';
import { alternate, type Contestant, type Timing } from './alternate.ts';
import type { GraphFiles } from './peers/graph-files.ts';
import { openFastest } from './peers/open-fastest.ts';
import { type Peer, settleMs } from './peers/open-peer.ts';
import { TimeLimitError, withinLimit } from './time-limit.ts';

/** A peer as it is asked for. */
export interface PeerChoice {
  readonly name: PeerName;
  readonly precision: Precision;
}

/**
 * A peer's output may be so far from ours, in units of its root mean square, and still be the same computation: by the
 * coarser of the two precisions. What is wrong differs by 4 and more, as independent noise of this many elements does.
 */
const tolerances: Readonly<Record<string, number>> = { float32: 1e-3, float16: 2e-2, bfloat16: 0.2, int8: 1 };

export interface CompareOptions {
  readonly backend: Backend;
  readonly batch: number;
  readonly tokens: number;
  readonly k: number;
  /** Which of ours; peers are compared with flashmla-dense. */
  readonly own: readonly OwnName[];
  readonly peers: readonly PeerChoice[];
  readonly files: GraphFiles;
  readonly threads: number;
  /** Longest run that is waited for. */
  readonly limitMs: number;
  /** Of our computation. */
  readonly dtype: string;
  readonly signal: AbortSignal;
  /** Told what is being done, and how much of it is. */
  readonly progress: (title: string, done: number) => void;
  /** Why an implementation is not to be run at this size; nothing where it is. */
  readonly refuses: (implementation: Implementation) => Refusal | undefined;
  /** Receives the versions of the peers. */
  readonly versions: Record<string, string>;
  /** The built peer-process.js; default: where the built command line has it. */
  readonly script?: URL;
}

export type Implementation = Pick<ResultRow, 'implementation' | 'precision'>;

export type Refusal = { readonly outcome: Exclude<Outcome, 'timed'>; readonly error: string };

type Untimed = Omit<ResultRow, 'outcome' | 'medianMs' | 'minMs' | 'maxMs' | 'runs' | 'error'>;

/** What is known of an implementation before it is timed: how to run it, or why not. */
interface Entry {
  readonly row: Untimed;
  readonly contestant: Contestant | Refusal;
}

/** Compares and times all implementations on one workload. */
export async function compare(workload: Workload, options: CompareOptions): Promise<ResultRow[]> {
  const { signal, progress } = options;
  const opened: Peer[] = [];
  try {
    progress('first runs', 0);
    const wants = (name: OwnName) => options.own.includes(name);
    const dense = wants('flashmla-dense') ? await tryOwn(workload, 'flashmla-dense', options) : undefined;
    const expected = dense?.output;
    const sparse = wants('flashmla-sparse') ? await tryOwn(workload, 'flashmla-sparse', options, expected) : undefined;
    const entries: Entry[] = [sparse, dense].filter((entry) => entry !== undefined);
    for (const choice of options.peers) {
      progress(`first runs of ${choice.name}, ${choice.precision}`, 0);
      const { peer, ...entry } = await tryPeer(workload, choice, options, expected);
      entries.push(entry);
      if (!peer) continue;
      opened.push(peer);
      options.versions[choice.name] = peer.version;
    }
    const running = entries.flatMap(({ contestant }) => ('run' in contestant ? [contestant] : []));
    const timings = await alternate(running, { signal, progress: (done) => progress('timing', done) });
    return entries.map(({ row, contestant }) => {
      const ending = 'run' in contestant ? timings[running.indexOf(contestant)]! : contestant;
      return rowOf(row, ending instanceof Error ? refusalOf(ending) : ending);
    });
  } finally {
    for (const peer of opened) peer.dispose();
  }
}

function rowOf(row: Untimed, ending: Timing | Refusal): ResultRow {
  if ('runs' in ending) return { ...row, outcome: 'timed', ...ending };
  return { ...row, medianMs: null, minMs: null, maxMs: null, runs: 0, ...ending };
}

export function refusalOf(error: unknown): Refusal {
  if (error instanceof TimeLimitError) return { outcome: 'time-limit', error: error.message };
  const isMemory = error instanceof FlashMLAError && error.code === 'out-of-memory';
  return { outcome: isMemory ? 'out-of-memory' : 'failed', error: errorLine(error) };
}

/** Runs one of ours twice: the first prepares programs and fits gates, the second shows what memory a run takes. */
async function tryOwn(
  workload: Workload,
  implementation: OwnName,
  { backend, batch, tokens, k, dtype: precision, limitMs, signal, refuses }: CompareOptions,
  expected?: Float32Array,
): Promise<Entry & { output?: Float32Array }> {
  const own = workload.own[implementation];
  const sparse = implementation === 'flashmla-sparse' ? { k } : {};
  const row = { implementation, precision, batch, tokens, peakBytes: null, ...sparse };
  const refusal = refuses(row);
  if (refusal) return { row, contestant: refusal };
  const run = async () => {
    const start = performance.now();
    await withinLimit(limitMs, signal, (limit) => own.run(limit));
    return performance.now() - start;
  };
  try {
    // The first run also fits gates and measures what is faster: it may take twice as long.
    const output = await withinLimit(2 * limitMs, signal, (limit) => own.output(limit));
    const before = backend.memory().usedBytes;
    backend.resetPeak();
    const firstMs = await run();
    const peakBytes = Math.max(0, backend.memory().peakBytes - before - workload.boundaryBytes);
    const outputError = expected && { outputError: relativeError(output, expected) };
    return {
      row: { ...row, peakBytes, ...outputError },
      contestant: { run, settleMs: 0, untimedMs: [firstMs] },
      output,
    };
  } catch (error) {
    signal.throwIfAborted();
    return { row, contestant: refusalOf(error) };
  }
}

/** Opens a peer, runs it and compares its output with `expected`. */
async function tryPeer(
  workload: Workload,
  { name, precision }: PeerChoice,
  options: CompareOptions,
  expected: Float32Array | undefined,
): Promise<Entry & { peer?: Peer }> {
  const { batch, tokens, dtype, files, signal } = options;
  const row = { implementation: name, precision, batch, tokens, peakBytes: null };
  const refusal = options.refuses(row);
  if (refusal) return { row, contestant: refusal };
  const tolerance = Math.max(tolerances[precision]!, tolerances[dtype]!);
  try {
    const { peer, graph, output, elapsedMs } = await openFastest(
      workload,
      workload.peerGraphs(precision),
      name,
      files,
      options,
    );
    // Where dense attention failed there is nothing to compare with; the peer's time is worth having all the same.
    const difference = expected && largestDifference(output, expected);
    const compared = { ...row, graph, ...(difference !== undefined && { difference }) };
    if (difference !== undefined && !(difference <= tolerance)) {
      const error =
        `[flashmla] the output of ${name}, ${precision}, differs from flashmla-dense by ${difference.toPrecision(2)} of its ` +
        `scale, at most ${tolerance} was expected: the two do not compute the same, so it was not timed.`;
      peer.dispose();
      return { row: compared, contestant: { outcome: 'different', error } };
    }
    const run = () => peer.run(workload.peerOutputs.timed);
    return { row: compared, contestant: { run, settleMs, untimedMs: [elapsedMs] }, peer };
  } catch (error) {
    signal.throwIfAborted();
    // Not installed: what was asked for can't be done at all, and is better said at once.
    if (error instanceof FlashMLAError && error.code === 'backend-unavailable') throw error;
    return { row, contestant: refusalOf(error) };
  }
}
