// One worker with a memory of its own, where SharedArrayBuffer is missing: everything travels as messages, in order.
// Few commands are on their way at once, so that an abort finds the rest still here.

import type { Span } from '@flashmla/tensor';
import { disposed, type Executor, failed, Skips, Waiters } from './executor.ts';
import { startWorker, type WorkerPort } from './platform.ts';
import { type Command, PAGE_BYTES } from './protocol.ts';

const IN_FLIGHT = 4;

interface Reading {
  resolve(bytes: ArrayBuffer): void;
  reject(error: Error): void;
}

export class SingleExecutor implements Executor {
  readonly threads = 1;
  readonly memoryLimitBytes: number;
  readonly #worker: WorkerPort;
  readonly skips = new Skips();
  /** Reads that are not answered yet. */
  readonly #reads = new Map<number, Reading>();
  readonly #waiters = new Waiters(() => this.#hold());
  /** Messages not yet sent; commands stop flowing when enough are in flight, and what comes after them waits too. */
  #queue: (() => boolean)[] = [];
  /** Of timed commands that are not finished. */
  readonly #times = new Map<number, Span[]>();
  #inFlight = 0;
  #pages: number;
  #submitted = 0;
  #completed = 0;
  #nextRead = 0;

  private constructor(worker: WorkerPort, pages: { initial: number; maximum: number }) {
    this.#worker = worker;
    this.#pages = pages.initial;
    this.memoryLimitBytes = pages.maximum * PAGE_BYTES;
    worker.onMessage((message) => {
      if (message.kind === 'done') {
        this.#inFlight--;
        if (message.span) this.#times.get(message.sequence!)!.push(message.span);
        this.#times.delete(message.sequence!);
        this.#completed++;
        this.#flow();
        this.#waiters.settle(this.#completed);
      } else if (message.kind === 'data') {
        this.#reads.get(message.id)?.resolve(message.bytes);
        this.#reads.delete(message.id);
        this.#hold();
      } else if (message.kind === 'failed') {
        this.#fail(failed(message.message));
      }
    });
    worker.onError((error) => this.#fail(failed(error.message)));
    worker.hold(false);
  }

  static async open(
    module: WebAssembly.Module,
    pages: { initial: number; maximum: number },
    workerUrl: URL | undefined,
  ): Promise<SingleExecutor> {
    const worker = startWorker(workerUrl);
    try {
      await new Promise<void>((resolve, reject) => {
        worker.onMessage((message) => message.kind === 'ready' && resolve());
        worker.onError((error) => reject(failed(error.message)));
        worker.post({
          kind: 'start',
          module,
          initialPages: pages.initial,
          maximumPages: pages.maximum,
          thread: 0,
          threads: 1,
        });
      });
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return new SingleExecutor(worker, pages);
  }

  get submitted(): number {
    return this.#submitted;
  }

  /** Writes are ordered behind commands here: the main thread never touches memory that is in use. */
  get completed(): number {
    return this.#submitted;
  }

  reserve(byteLength: number): boolean {
    const pages = Math.ceil(byteLength / PAGE_BYTES);
    if (pages > this.#pages) {
      this.#pages = pages;
      this.#enqueue(() => this.#worker.post({ kind: 'grow', pages }));
    }
    return true;
  }

  write(offset: number, bytes: Uint8Array): void {
    const copy = new Uint8Array(bytes);
    this.#enqueue(() => this.#worker.post({ kind: 'write', offset, bytes: copy }, [copy.buffer]));
  }

  async read(offset: number, byteLength: number): Promise<ArrayBuffer> {
    if (this.#waiters.failure) throw this.#waiters.failure;
    const id = this.#nextRead++;
    const data = new Promise<ArrayBuffer>((resolve, reject) => this.#reads.set(id, { resolve, reject }));
    this.#hold();
    // Messages are answered in order: the answer comes when everything submitted before is done.
    this.#enqueue(() => this.#worker.post({ kind: 'read', offset, byteLength, id }));
    return data;
  }

  submit(command: Command, signal: AbortSignal | undefined, times?: Span[]): void {
    if (this.#waiters.failure) throw this.#waiters.failure;
    const sequence = this.#submitted++;
    if (times) this.#times.set(sequence, times);
    this.#queue.push(() => {
      if (this.#inFlight >= IN_FLIGHT) return false;
      this.#inFlight++;
      if (signal?.aborted) this.skips.note(signal, sequence);
      const skipped = { ...command, tasks: 0 };
      const timed = times !== undefined;
      this.#worker.post({ kind: 'run', command: signal?.aborted ? skipped : command, sequence, timed });
      return true;
    });
    this.#flow();
  }

  finish(): Promise<void> {
    const promise = this.#waiters.add(this.#submitted);
    this.#waiters.settle(this.#completed);
    return promise;
  }

  dispose(): void {
    this.#fail(disposed());
    this.#worker.terminate();
  }

  /** All who wait for commands or bytes get this error. */
  #fail(error: Error): void {
    this.#waiters.fail(error);
    for (const { reject } of this.#reads.values()) reject(error);
    this.#reads.clear();
    this.#hold();
  }

  /** Keeps the process alive as long as somebody waits, and no longer. */
  #hold(): void {
    this.#worker.hold(this.#waiters.next !== undefined || this.#reads.size > 0);
  }

  #enqueue(send: () => void): void {
    this.#queue.push(() => {
      send();
      return true;
    });
    this.#flow();
  }

  #flow(): void {
    let sent = 0;
    while (sent < this.#queue.length && this.#queue[sent]!()) sent++;
    if (sent > 0) this.#queue = this.#queue.slice(sent);
  }
}
