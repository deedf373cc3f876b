// Several threads over one shared memory. The main thread writes commands into a ring and goes on; it never waits, and
// the workers never go back to their event loops. See protocol.ts for the ring, worker.ts for the other side.

import type { Span } from '@flashmla/tensor';
import { disposed, type Executor, failed, Skips, Waiters } from './executor.ts';
import { startWorker, type WorkerPort } from './platform.ts';
import {
  ARGUMENTS,
  ARRIVED,
  type Command,
  DONE,
  HEAD,
  KERNEL,
  kernelNames,
  MAX_ARGUMENTS,
  NEXT,
  PAGE_BYTES,
  RING,
  SCRATCH,
  SCRATCH_STRIDE,
  STOP,
  slotOf,
  TASKS,
  TIMED,
  timesBytes,
  timesOf,
  WANTED,
} from './protocol.ts';

/** More than any step has tasks. */
const NO_MORE_TASKS = 2 ** 30;

interface Submitted {
  readonly command: Command;
  readonly signal: AbortSignal | undefined;
  readonly times: Span[] | undefined;
}

export class SharedExecutor implements Executor {
  readonly threads: number;
  readonly memoryLimitBytes: number;
  readonly #memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #workers: WorkerPort[];
  readonly skips = new Skips();
  readonly #watched = new WeakSet<AbortSignal>();
  readonly #waiters = new Waiters((count) => {
    for (const worker of this.#workers) worker.hold(count > 0);
  });
  /** Signals of the commands in the ring. */
  readonly #signals: (AbortSignal | undefined)[] = new Array(RING);
  /** Commands that found the ring full. */
  #pending: Submitted[] = [];
  /** Timed commands in the ring, in order, whose times were not taken yet. */
  #timed: { readonly sequence: number; readonly times: Span[] }[] = [];
  #submitted = 0;

  private constructor(
    memory: WebAssembly.Memory,
    times: SharedArrayBuffer,
    maximumPages: number,
    workers: WorkerPort[],
  ) {
    this.threads = workers.length;
    this.memoryLimitBytes = maximumPages * PAGE_BYTES;
    this.#memory = memory;
    this.#words = new Int32Array(memory.buffer);
    this.#times = new Float64Array(times);
    this.#workers = workers;
    for (const worker of workers) {
      worker.onMessage((message) => {
        if (message.kind === 'done') this.#advance();
        if (message.kind === 'failed') this.#waiters.fail(failed(message.message));
      });
      worker.onError((error) => this.#waiters.fail(failed(error.message)));
      worker.hold(false);
    }
  }

  static async open(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    pages: { initial: number; maximum: number },
    threads: number,
    workerUrl: URL | undefined,
  ): Promise<SharedExecutor> {
    const workers = Array.from({ length: threads }, () => startWorker(workerUrl));
    const times = new SharedArrayBuffer(timesBytes(threads));
    const ready = workers.map(
      (worker, thread) =>
        new Promise<void>((resolve, reject) => {
          worker.onMessage((message) => message.kind === 'ready' && resolve());
          worker.onError((error) => reject(failed(error.message)));
          worker.post({
            kind: 'start',
            module,
            memory,
            times,
            initialPages: pages.initial,
            maximumPages: pages.maximum,
            thread,
            threads,
          });
        }),
    );
    try {
      await Promise.all(ready);
    } catch (error) {
      for (const worker of workers) worker.terminate();
      throw error;
    }
    return new SharedExecutor(memory, times, pages.maximum, workers);
  }

  get submitted(): number {
    return this.#submitted;
  }

  get completed(): number {
    return Atomics.load(this.#words, DONE);
  }

  reserve(byteLength: number): boolean {
    const missing = Math.ceil((byteLength - this.#memory.buffer.byteLength) / PAGE_BYTES);
    if (missing <= 0) return true;
    try {
      this.#memory.grow(missing);
      return true;
    } catch {
      return false;
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    new Uint8Array(this.#memory.buffer, offset, bytes.byteLength).set(bytes);
  }

  async read(offset: number, byteLength: number): Promise<ArrayBuffer> {
    await this.finish();
    const copy = new Uint8Array(byteLength);
    copy.set(new Uint8Array(this.#memory.buffer, offset, byteLength));
    return copy.buffer;
  }

  submit(command: Command, signal: AbortSignal | undefined, times?: Span[]): void {
    if (this.#waiters.failure) throw this.#waiters.failure;
    if (command.arguments.length > MAX_ARGUMENTS) throw failed(`${command.kernel} has too many arguments`);
    this.#submitted++;
    if (signal) this.#watch(signal);
    this.#pending.push({ command, signal, times });
    this.#publish();
  }

  finish(): Promise<void> {
    const promise = this.#waiters.add(this.#submitted);
    this.#advance();
    return promise;
  }

  dispose(): void {
    this.#waiters.fail(disposed());
    Atomics.store(this.#words, STOP, 1);
    Atomics.notify(this.#words, HEAD);
    Atomics.notify(this.#words, DONE);
    for (const worker of this.#workers) worker.terminate();
  }

  /** Moves pending commands into the ring, as many as fit. */
  #publish(): void {
    const words = this.#words;
    const first = Atomics.load(words, HEAD);
    const room = RING - (first - this.completed);
    const count = Math.min(room, this.#pending.length);
    // Before their slots are written over.
    this.#takeTimes();
    for (let i = 0; i < count; i++) {
      const { command, signal, times } = this.#pending[i]!;
      const slot = slotOf(first + i);
      words[slot + KERNEL] = kernelNames.indexOf(command.kernel);
      words[slot + TASKS] = command.tasks;
      if (signal?.aborted) this.skips.note(signal, first + i);
      Atomics.store(words, slot + NEXT, signal?.aborted ? NO_MORE_TASKS : 0);
      Atomics.store(words, slot + ARRIVED, 0);
      words[slot + SCRATCH] = command.scratch;
      words[slot + SCRATCH_STRIDE] = command.scratchStride;
      words[slot + TIMED] = times ? 1 : 0;
      if (times) this.#timed.push({ sequence: first + i, times });
      words.set(command.arguments, slot + ARGUMENTS);
      this.#signals[(first + i) % RING] = signal;
    }
    if (count > 0) {
      this.#pending = this.#pending.slice(count);
      Atomics.store(words, HEAD, first + count);
      Atomics.notify(words, HEAD);
    }
    if (this.#pending.length > 0) this.#ask();
  }

  /** Looks how far the workers are; settles, refills the ring, and asks to be told about the rest. */
  #advance(): void {
    if (this.#pending.length > 0) this.#publish();
    this.#takeTimes();
    this.#waiters.settle(this.completed);
    this.#ask();
  }

  /** Takes the times of timed commands that are finished. */
  #takeTimes(): void {
    const { completed } = this;
    const ready = this.#timed.findIndex(({ sequence }) => sequence >= completed);
    for (const { sequence, times } of this.#timed.splice(0, ready < 0 ? this.#timed.length : ready)) {
      for (let thread = 0; thread < this.threads; thread++) {
        const at = timesOf(sequence, thread, this.threads);
        times.push({ startMs: this.#times[at]!, endMs: this.#times[at + 1]! });
      }
    }
  }

  /** Asks for a message when the next command of interest is done: one that is waited for, or half of a full ring. */
  #ask(): void {
    // Counted back from the last command in the ring: counted from the last one done it may lie beyond what is there to
    // do, since the workers go on while this thread looks.
    const refill = Atomics.load(this.#words, HEAD) - RING / 2;
    const wanted = Math.min(
      this.#waiters.next ?? Number.POSITIVE_INFINITY,
      this.#pending.length > 0 ? refill : Number.POSITIVE_INFINITY,
    );
    if (wanted === Number.POSITIVE_INFINITY) return;
    Atomics.store(this.#words, WANTED, wanted);
    // The workers may have passed that point before they could see the wish.
    if (this.completed >= wanted) queueMicrotask(() => this.#advance());
  }

  #watch(signal: AbortSignal): void {
    if (this.#watched.has(signal)) return;
    this.#watched.add(signal);
    // A signal may live much longer than this, or this than many signals: neither keeps the other.
    const executor = new WeakRef(this);
    const skip = () => {
      const living = executor.deref();
      if (living) living.#skip(signal);
    };
    signal.addEventListener('abort', skip, { once: true });
  }

  /** Leaves no tasks to the commands of an aborted signal; those still pending are skipped when published. */
  #skip(signal: AbortSignal): void {
    const head = Atomics.load(this.#words, HEAD);
    for (let sequence = this.completed; sequence < head; sequence++) {
      if (this.#signals[sequence % RING] === signal) {
        this.skips.note(signal, sequence);
        Atomics.store(this.#words, slotOf(sequence) + NEXT, NO_MORE_TASKS);
      }
    }
  }
}
