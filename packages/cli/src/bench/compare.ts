// One length of a benchmark: every implementation is run once and its output compared, then all are timed in turn.

import { type Backend, type DeviceTensor, FlashMLAError, type FloatDType, readFloat32 } from '@flashmla/tensor';
import { largestDifference, type OwnName, relativeError, type Workload } from '@flashmla/workloads';
import { errorLine } from '../errors.ts';
import { alternate, type Contestant, type Timing } from './alternate.ts';
import { type OpenedPeer, openFastest } from './open-fastest.ts';
import { type PeerName, settleMs } from './peers/onnxruntime.ts';

/** A peer's output may be so far from ours, in units of its root mean square, and still be the same computation. */
const tolerances: Readonly<Record<FloatDType, number>> = { float32: 1e-3, float16: 2e-2, bfloat16: 0.16 };

export interface Row {
  readonly implementation: OwnName | PeerName;
  readonly tokens: number;
  /** null where it failed; `error` says why. */
  readonly medianMs: number | null;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly runs: number;
  /** Most device memory of a run beyond inputs, outputs and weights; null for peers, which do not tell. */
  readonly peakBytes: number | null;
  /** Keys a query attends to. */
  readonly k?: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of the whole output. */
  readonly outputError?: number;
  /** Which graph the peer ran. */
  readonly graph?: string;
  readonly error?: string;
}

export interface CompareOptions {
  readonly backend: Backend;
  readonly tokens: number;
  readonly k: number;
  readonly peers: readonly PeerName[];
  readonly threads: number;
  /** Of our computation; peers compute in float32. */
  readonly dtype: FloatDType;
  readonly signal: AbortSignal;
  /** Told what is being done, and how much of it is. */
  readonly progress: (title: string, done: number) => void;
}

/** What is known of an implementation before it is timed. */
interface Entry {
  readonly row: Omit<Row, 'tokens' | 'medianMs' | 'minMs' | 'maxMs' | 'runs'>;
  /** Absent for one that failed. */
  readonly contestant?: Contestant;
}

/** Compares and times all implementations on one workload. `versions` receives those of the peers. */
export async function compare(
  workload: Workload,
  options: CompareOptions,
  versions: Record<string, string>,
): Promise<Row[]> {
  const { tokens, signal, progress } = options;
  const opened: OpenedPeer[] = [];
  try {
    progress('first runs', 0);
    const dense = await tryOwn(workload, 'flashmla-dense', options);
    const sparse = await tryOwn(workload, 'flashmla-sparse', options, dense.output);
    const entries: Entry[] = [sparse, dense];
    for (const name of options.peers) {
      progress(`first runs of ${name}`, 0);
      const { entry, peer } = await tryPeer(workload, name, options, dense.output);
      entries.push(entry);
      if (!peer) continue;
      opened.push(peer);
      versions[name] = peer.peer.version;
    }
    const running = entries.filter(({ contestant }) => contestant);
    const timings = await alternate(
      running.map(({ contestant }) => contestant!),
      { signal, progress: (done) => progress('timing', done) },
    );
    return entries.map((entry) => rowOf(entry, tokens, timings[running.indexOf(entry)]));
  } finally {
    for (const { peer } of opened) await peer.dispose();
  }
}

function rowOf({ row }: Entry, tokens: number, timing: Timing | Error | undefined): Row {
  const { implementation, peakBytes, ...rest } = row;
  const untimed = { medianMs: null, minMs: null, maxMs: null, runs: 0 };
  const failure = timing instanceof Error ? { error: errorLine(timing) } : {};
  const figures = timing === undefined || timing instanceof Error ? untimed : timing;
  return { implementation, tokens, ...figures, peakBytes, ...rest, ...failure };
}

/** Runs one of ours twice: the first prepares programs and fits gates, the second shows what memory a run takes. */
async function tryOwn(
  workload: Workload,
  implementation: OwnName,
  { backend, k, signal }: CompareOptions,
  expected?: Float32Array,
): Promise<Entry & { output?: Float32Array }> {
  const withOutput = async <Result>(use: (output: DeviceTensor) => Promise<Result>): Promise<Result> => {
    const output = await workload.own[implementation](signal);
    try {
      return await use(output);
    } finally {
      output.dispose();
    }
  };
  const run = () =>
    withOutput(async (output) => {
      if (workload.isHostToHost) await output.data();
      else await backend.synchronize();
    });
  const sparse = implementation === 'flashmla-sparse' ? { k } : {};
  try {
    const output = await withOutput(readFloat32);
    const before = backend.memory().usedBytes;
    backend.resetPeak();
    await run();
    const peakBytes = Math.max(0, backend.memory().peakBytes - before - workload.boundaryBytes);
    const outputError = expected && { outputError: relativeError(output, expected) };
    return { row: { implementation, peakBytes, ...sparse, ...outputError }, contestant: { run, settleMs: 0 }, output };
  } catch (error) {
    signal.throwIfAborted();
    return { row: { implementation, peakBytes: null, ...sparse, error: errorLine(error) } };
  }
}

/** Opens a peer, runs it and compares its output with `expected`. */
async function tryPeer(
  workload: Workload,
  name: PeerName,
  { threads, dtype, signal }: CompareOptions,
  expected: Float32Array | undefined,
): Promise<{ entry: Entry; peer?: OpenedPeer }> {
  const row = { implementation: name, peakBytes: null };
  const tolerance = tolerances[dtype];
  try {
    const opened = await openFastest(workload, name, threads, signal);
    const { peer, graph, output } = opened;
    // Where dense attention failed there is nothing to compare with; the peer's time is worth having all the same.
    const difference = expected ? largestDifference(output, expected) : 0;
    if (!(difference <= tolerance)) {
      const error =
        `[flashmla] the output of ${name} differs from flashmla-dense by ${difference.toPrecision(2)} of its scale, at ` +
        `most ${tolerance} was expected: the two do not compute the same, so it was not timed.`;
      await peer.dispose();
      return { entry: { row: { ...row, graph, error } } };
    }
    const run = async () => {
      await peer.run(workload.peerInputs);
    };
    return { entry: { row: { ...row, graph }, contestant: { run, settleMs } }, peer: opened };
  } catch (error) {
    signal.throwIfAborted();
    // Not installed: what was asked for can't be done at all, and is better said at once.
    if (error instanceof FlashMLAError && error.code === 'backend-unavailable') throw error;
    return { entry: { row: { ...row, error: errorLine(error) } } };
  }
}
