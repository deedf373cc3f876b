// What runs commands and holds the memory: several threads over shared memory, or one worker with a memory of its own.

import { FlashMLAError, type Span } from '@flashmla/tensor';
import type { Command } from './protocol.ts';

export interface Executor {
  readonly threads: number;
  readonly memoryLimitBytes: number;
  /** Commands submitted so far. */
  readonly submitted: number;
  /** Commands known to be finished; the main thread may write where only those have been. */
  readonly completed: number;
  /** Makes the memory reach `byteLength`; false when the engine gives no more. */
  reserve(byteLength: number): boolean;
  /** Writes now, or in order with what was submitted. */
  write(offset: number, bytes: Uint8Array): void;
  /** Reads once everything submitted before is done. */
  read(offset: number, byteLength: number): Promise<ArrayBuffer>;
  /**
   * Queues a command; tasks that have not begun when the signal aborts are skipped.
   *
   * @param times where given, gets for each thread when it was at the command (`nowMs`), by the time it is finished
   */
  submit(command: Command, signal: AbortSignal | undefined, times?: Span[]): void;
  /** Resolves when everything submitted so far is done. */
  finish(): Promise<void>;
  /** What the aborts of signals left out. */
  readonly skips: Skips;
  dispose(): void;
}

/** The first command that was skipped because its signal had aborted, for each signal. */
export class Skips {
  readonly #first = new WeakMap<AbortSignal, number>();

  /** Commands of `signal` from number `sequence` on were or will be skipped. */
  note(signal: AbortSignal, sequence: number): void {
    if (sequence < (this.#first.get(signal) ?? Number.POSITIVE_INFINITY)) this.#first.set(signal, sequence);
  }

  /** Whether any command of `signal` before number `end` was skipped. */
  before(signal: AbortSignal, end: number): boolean {
    return (this.#first.get(signal) ?? Number.POSITIVE_INFINITY) < end;
  }
}

/** Promises for 'everything up to command n is done'. */
export class Waiters {
  #waiting: { until: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;
  readonly #onCount: (count: number) => void;

  /** @param onCount told whenever the number of those waiting changes */
  constructor(onCount: (count: number) => void) {
    this.#onCount = onCount;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The first command somebody waits for, or undefined. */
  get next(): number | undefined {
    return this.#waiting[0]?.until;
  }

  add(until: number): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ until, resolve, reject });
      this.#onCount(this.#waiting.length);
    });
  }

  settle(completed: number): void {
    const ready = this.#waiting.filter((waiter) => waiter.until <= completed);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => waiter.until > completed);
    this.#onCount(this.#waiting.length);
    for (const waiter of ready) waiter.resolve();
  }

  /** All who wait, now or later, get this error. */
  fail(error: Error): void {
    this.#failure ??= error;
    const all = this.#waiting;
    this.#waiting = [];
    this.#onCount(0);
    for (const waiter of all) waiter.reject(this.#failure);
  }
}

export const failed = (message: string): FlashMLAError =>
  new FlashMLAError('backend-failed', `[kernels-cpu] a compute thread failed: ${message}. Open the backend again.`);

export const disposed = (): FlashMLAError =>
  new FlashMLAError('disposed', '[kernels-cpu] the backend was disposed; open another one.');
