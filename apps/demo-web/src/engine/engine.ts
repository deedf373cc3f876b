// The page's side of the worker: calls become promises, and a worker that is beyond repair is replaced.

import type { CallName, Calls, Failure, FromWorker, ToWorker } from './protocol.ts';

/** A call that did not succeed. */
export class EngineError extends Error {
  readonly code: Failure['code'];

  constructor({ code, message }: Failure) {
    super(message);
    this.code = code;
  }

  /** Whether what is open in the worker may no longer work: it must be opened again. */
  get isFatal(): boolean {
    return ['backend-failed', 'backend-unavailable', 'disposed', 'unexpected'].includes(this.code);
  }
}

export interface CallOptions<Event> {
  readonly onEvent?: (event: Event) => void;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly onEvent: ((event: never) => void) | undefined;
  readonly resolve: (result: never) => void;
  readonly reject: (error: EngineError) => void;
}

export class Engine {
  #worker: Worker | undefined;
  #pending = new Map<number, Pending>();
  #calls = 0;

  /** Resolves with the result; rejects with an EngineError, of code 'aborted' when the signal was the reason. */
  call<Name extends CallName>(
    call: Name,
    request: Calls[Name]['request'],
    { onEvent, signal }: CallOptions<Calls[Name]['event']> = {},
  ): Promise<Calls[Name]['result']> {
    const id = ++this.#calls;
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const cancel = () => worker.postMessage({ id, call: 'cancel' } satisfies ToWorker);
    const promise = new Promise<Calls[Name]['result']>((resolve, reject) => {
      this.#pending.set(id, { onEvent, resolve, reject });
    });
    worker.postMessage({ id, call, request });
    signal?.addEventListener('abort', cancel, { once: true });
    return promise.finally(() => signal?.removeEventListener('abort', cancel));
  }

  /** Ends the worker and all that it has open; the next call starts another. */
  restart(reason = 'the worker was started anew'): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new EngineError({ code: 'backend-failed', message: reason }));
  }

  #start(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'engine' });
    worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => this.#receive(data));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.restart(`[demo] the worker failed: ${event.message || 'its script could not be loaded'}`);
    });
    return worker;
  }

  #receive(message: FromWorker): void {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if ('event' in message) {
      pending.onEvent?.(message.event as never);
      return;
    }
    this.#pending.delete(message.id);
    if ('failure' in message) pending.reject(new EngineError(message.failure));
    else pending.resolve(message.result as never);
  }
}
