// One worker with a memory of its own, where SharedArrayBuffer is missing: everything travels as messages, in order.
// Few commands are on their way at once, so that an abort finds the rest still here.

import { disposed, type Executor, failed, Waiters } from './executor.ts';
import { startWorker, type WorkerPort } from './platform.ts';
import { type Command, PAGE_BYTES } from './protocol.ts';

const IN_FLIGHT = 4;

export class SingleExecutor implements Executor {
  readonly threads = 1;
  readonly memoryLimitBytes: number;
  readonly #worker: WorkerPort;
  readonly #reads = new Map<number, (bytes: Uint8Array<ArrayBuffer>) => void>();
  readonly #waiters = new Waiters((count) => this.#worker.hold(count > 0));
  /** Messages not yet sent; commands stop flowing when enough are in flight, and what comes after them waits too. */
  #queue: (() => boolean)[] = [];
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
        this.#completed++;
        this.#flow();
        this.#waiters.settle(this.#completed);
      } else if (message.kind === 'data') {
        this.#reads.get(message.id)?.(message.bytes);
        this.#reads.delete(message.id);
      } else if (message.kind === 'failed') {
        this.#waiters.fail(failed(message.message));
      }
    });
    worker.onError((error) => this.#waiters.fail(failed(error.message)));
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

  async read(offset: number, byteLength: number): Promise<Uint8Array<ArrayBuffer>> {
    const id = this.#nextRead++;
    const data = new Promise<Uint8Array<ArrayBuffer>>((resolve) => this.#reads.set(id, resolve));
    this.#enqueue(() => this.#worker.post({ kind: 'read', offset, byteLength, id }));
    await this.finish();
    // Nothing keeps the process alive for the answer but this.
    this.#worker.hold(true);
    const bytes = await data;
    this.#worker.hold(this.#waiters.next !== undefined);
    return bytes;
  }

  submit(command: Command, signal: AbortSignal | undefined): void {
    if (this.#waiters.failure) throw this.#waiters.failure;
    const sequence = this.#submitted++;
    this.#queue.push(() => {
      if (this.#inFlight >= IN_FLIGHT) return false;
      this.#inFlight++;
      const skipped = { ...command, tasks: 0 };
      this.#worker.post({ kind: 'run', command: signal?.aborted ? skipped : command, sequence });
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
    this.#waiters.fail(disposed());
    this.#worker.terminate();
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
