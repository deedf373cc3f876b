// The engine of the addon as promises: commands go in, and whoever waits is told when they are done.

import { FlashMLAError } from '@flashmla/tensor';
import type { Addon, Address, Architecture, EngineHandle } from './addon.ts';

export interface Command {
  /** The kernel's name. */
  readonly kernel: string;
  readonly tasks: number;
  readonly words: readonly number[];
  readonly scratch: Address;
  /** Bytes from one thread's scratch to the next. */
  readonly scratchStride: number;
}

interface Waiter {
  readonly until: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Executor {
  readonly threads: number;
  readonly #addon: Addon;
  readonly #engine: EngineHandle;
  readonly #kernels: ReadonlyMap<string, number>;
  /** Signals that commands were submitted under, by number: groups of the engine. */
  readonly #groups = new WeakMap<AbortSignal, number>();
  /** The first command that was skipped because its signal had aborted, for each signal. */
  readonly #skipped = new WeakMap<AbortSignal, number>();
  #closed = false;
  #waiting: Waiter[] = [];
  #lastGroup = 0;
  #submitted = 0;

  constructor(addon: Addon, architecture: Architecture, threads: number) {
    this.threads = threads;
    this.#addon = addon;
    this.#kernels = new Map(architecture.kernels.map((name, number) => [name, number]));
    this.#engine = addon.open(addon.architectures.indexOf(architecture), threads, () => this.#settle());
  }

  /** Commands submitted so far. */
  get submitted(): number {
    return this.#submitted;
  }

  /** Commands known to be finished; the main thread may write where only those have been. */
  get completed(): number {
    return this.#closed ? this.#submitted : this.#addon.completed(this.#engine);
  }

  /**
   * Queues a command; tasks that have not begun when the signal aborts are skipped.
   *
   * @param times where given, gets for each thread when it was at the command, by the time that it is finished
   */
  submit(command: Command, signal: AbortSignal | undefined, times?: Float64Array): void {
    const { kernel, tasks, words, scratch, scratchStride } = command;
    const skipped = signal?.aborted === true;
    const sequence = this.#addon.submit(
      this.#engine,
      this.#kernels.get(kernel)!,
      skipped ? 0 : tasks,
      Float64Array.from(words),
      scratch,
      scratchStride,
      signal && !skipped ? this.#groupOf(signal) : 0,
      times,
    );
    this.#submitted = sequence;
    if (skipped && !this.#skipped.has(signal)) this.#skipped.set(signal, sequence);
  }

  /** Whether a command of `signal` up to number `last` was or will be skipped. */
  skipped({ signal, last }: { readonly signal: AbortSignal; readonly last: number }): boolean {
    return (this.#skipped.get(signal) ?? Number.POSITIVE_INFINITY) <= last;
  }

  /** Resolves when everything submitted so far is done. */
  async finish(): Promise<void> {
    if (this.#closed) throw disposed();
    const until = this.#submitted;
    if (this.completed >= until) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ until, resolve, reject });
      if (this.#waiting.length === 1) this.#addon.hold(this.#engine, true);
      this.#ask();
    });
  }

  dispose(): void {
    this.#closed = true;
    this.#addon.close(this.#engine);
    for (const { reject } of this.#waiting.splice(0)) reject(disposed());
  }

  /** Resolves those whose commands are done. */
  #settle(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    const { completed } = this;
    const ready = this.#waiting.filter(({ until }) => until <= completed);
    this.#waiting = this.#waiting.filter(({ until }) => until > completed);
    for (const { resolve } of ready) resolve();
    if (this.#waiting.length === 0) this.#addon.hold(this.#engine, false);
    else this.#ask();
  }

  /** Asks to be told of the first command that somebody waits for. */
  #ask(): void {
    const first = Math.min(...this.#waiting.map(({ until }) => until));
    if (!this.#addon.notifyAt(this.#engine, first)) queueMicrotask(() => this.#settle());
  }

  #groupOf(signal: AbortSignal): number {
    const known = this.#groups.get(signal);
    if (known !== undefined) return known;
    const group = ++this.#lastGroup;
    this.#groups.set(signal, group);
    // A signal may live much longer than this, or this than many signals: neither keeps the other.
    const executor = new WeakRef(this);
    const skip = () => {
      const living = executor.deref();
      if (living) living.#skip(signal, group);
    };
    signal.addEventListener('abort', skip, { once: true });
    return group;
  }

  #skip(signal: AbortSignal, group: number): void {
    if (this.#closed) return;
    const first = this.#addon.skip(this.#engine, group);
    if (first > 0) this.#skipped.set(signal, first);
  }
}

export const disposed = (): FlashMLAError =>
  new FlashMLAError('disposed', '[kernels-native] the backend was disposed; open another one.');
