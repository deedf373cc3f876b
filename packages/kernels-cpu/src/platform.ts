// The few things Node and browsers do differently: reading an asset, starting a worker, counting cores.
// Node's modules are taken from process.getBuiltinModule (Node ≥ 20.16), so that no bundler ever sees an import of them.

import { FlashMLAError } from '@flashmla/tensor';
import type { SingleMessage, StartMessage, WorkerMessage } from './protocol.ts';

function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] | undefined {
  return globalThis.process?.getBuiltinModule?.(name) as Builtins[Name] | undefined;
}

interface Builtins {
  'node:fs/promises': typeof import('node:fs/promises');
  'node:os': typeof import('node:os');
  'node:worker_threads': typeof import('node:worker_threads');
}

/** Raises FlashMLAError 'backend-unavailable' when there is no module at `url`. */
export async function loadModule(url: URL): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await readBytes(url));
  } catch (cause) {
    throw new FlashMLAError(
      'backend-unavailable',
      `[kernels-cpu] the WASM kernels can't be loaded from ${url}: ${(cause as Error).message}. Where a bundler moved them, ` +
        "name their folder, ending in '/', as wasmUrl.",
      { cause },
    );
  }
}

async function readBytes(url: URL): Promise<BufferSource> {
  const fs = builtin('node:fs/promises');
  if (fs && url.protocol === 'file:') return fs.readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.arrayBuffer();
}

export function availableCores(): number {
  return builtin('node:os')?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1;
}

export function engine(): string {
  return globalThis.process?.versions?.node ? `Node.js ${process.versions.node}` : 'browser';
}

/** A worker of either kind. */
export interface WorkerPort {
  post(message: StartMessage | SingleMessage, transfer?: ArrayBuffer[]): void;
  onMessage(listener: (message: WorkerMessage) => void): void;
  onError(listener: (error: Error) => void): void;
  /** Whether this worker keeps the process alive. */
  hold(alive: boolean): void;
  terminate(): void;
}

export function startWorker(url: URL | undefined): WorkerPort {
  const threads = builtin('node:worker_threads');
  if (threads) {
    // The parent's own command line (`--input-type=module -e …`, a loader) is not for this script.
    const worker = new threads.Worker(url ?? new URL('./worker.js', import.meta.url), { execArgv: [] });
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer),
      onMessage: (listener) => void worker.on('message', listener),
      onError: (listener) => void worker.on('error', listener),
      hold: (alive) => (alive ? worker.ref() : worker.unref()),
      terminate: () => void worker.terminate(),
    };
  }
  // Bundlers recognise this very form and emit the worker; see their documentation of `new URL(…, import.meta.url)`.
  const worker = url
    ? new Worker(url, { type: 'module' })
    : new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data as WorkerMessage)),
    onError: (listener) =>
      worker.addEventListener('error', (event) =>
        listener(new Error(event.message || 'the worker script failed to load')),
      ),
    hold: () => {},
    terminate: () => worker.terminate(),
  };
}
