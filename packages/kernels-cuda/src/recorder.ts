// Ops and uploads are recorded as they come and put on the stream together: when somebody waits for a result, or when many
// have come together. Launches that follow one another go to the device as one graph where they came before (graphs.ts).

import type { CudaContext } from './context.ts';
import type { EventRecording } from './event-recording.ts';
import type { Graphs } from './graphs.ts';
import type { Step } from './plan.ts';

/** A step made ready to launch; all of it but the pointers is set. */
export interface PreparedStep {
  readonly step: Step;
  /** No other has the same. */
  readonly id: number;
  /** Puts it on the stream. Within the context's `run`. @param addresses of the bindings; 0 for one that is not given */
  launch(addresses: readonly number[]): void;
}

export interface Launch {
  readonly prepared: PreparedStep;
  /** For each binding where it is bound to; 0 where it is not given. */
  readonly addresses: readonly number[];
}

export interface Copy {
  readonly destination: number;
  readonly source: bigint;
  readonly byteLength: number;
}

/** One op or one upload. */
export class RecordedOp {
  readonly signal: AbortSignal | undefined;
  readonly launches: Launch[] = [];
  readonly copies: Copy[] = [];
  /** Of the profile that is being taken. */
  recording: EventRecording | undefined;
  /** Why it is not done: left out, because the signal had aborted before it was put on the stream, or failed there. */
  failed: { readonly reason: unknown } | undefined;

  constructor(signal?: AbortSignal) {
    this.signal = signal;
  }
}

/** Launches that are put on the stream at once at most; what a BERT-base forward pass takes fits twice. */
const mostLaunches = 1024;

export class Recorder {
  readonly #context: CudaContext;
  readonly #graphs: Graphs;
  #ops: RecordedOp[] = [];
  #launches = 0;
  /** What went wrong since somebody asked last. */
  #failure: { readonly reason: unknown } | undefined;

  constructor(context: CudaContext, graphs: Graphs) {
    this.#context = context;
    this.#graphs = graphs;
  }

  record(op: RecordedOp): void {
    this.#ops.push(op);
    this.#launches += op.launches.length;
    if (this.#launches >= mostLaunches) this.submit();
  }

  /** Puts everything on the stream and marks it. What goes wrong is told to whoever waits, not to who happens to submit. */
  submit(): void {
    const ops = this.#ops;
    if (ops.length === 0) return;
    this.#ops = [];
    this.#launches = 0;
    for (const op of ops) if (op.signal?.aborted) op.failed = { reason: op.signal.reason };
    let at = 0;
    try {
      this.#context.run(() => {
        while (at < ops.length) at = this.#putNext(ops, at);
        this.#context.mark();
      });
    } catch (reason) {
      // What comes behind may stand on what is missing now.
      for (const op of ops.slice(at)) op.failed ??= { reason };
      this.#failure ??= { reason };
    }
  }

  /** Raises what went wrong since the last call. */
  raiseFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.reason;
  }

  /** Puts the ops from `at` on, up to the next upload or that upload itself. @returns the first that is not put */
  #putNext(ops: readonly RecordedOp[], at: number): number {
    const { driver, stream } = this.#context;
    const { copies } = ops[at]!;
    for (const { destination, source, byteLength } of copies) {
      driver.copyToDevice(destination, source, byteLength, stream);
    }
    if (copies.length > 0) return at + 1;
    let end = at;
    while (end < ops.length && ops[end]!.copies.length === 0) end++;
    const launches = ops.slice(at, end).flatMap((op) => (op.failed ? [] : op.launches));
    // A profile begins and ends with nothing recorded: it takes down all of these or none.
    const { recording } = ops[at]!;
    if (recording) recording.launch(this.#graphs, launches);
    else this.#graphs.launch(launches);
    return end;
  }
}
