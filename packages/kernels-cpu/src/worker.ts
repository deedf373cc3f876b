// A compute thread. With shared memory it never returns to its event loop: it takes tasks from the command ring until it
// is told to stop. Without shared memory it is the only one and owns the memory; everything comes as messages.

import { nowMs } from './clock.ts';
import {
  ARGUMENTS,
  ARRIVED,
  type Command,
  DONE,
  HEAD,
  KERNEL,
  type Kernels,
  kernelNames,
  NEXT,
  PAGE_BYTES,
  SCRATCH,
  SCRATCH_STRIDE,
  type SingleMessage,
  STOP,
  type StartMessage,
  slotOf,
  TASKS,
  TIMED,
  timesOf,
  WANTED,
  type WorkerMessage,
} from './protocol.ts';

/** Looks at a control word before the thread goes to sleep: about 20 µs; sleeping and waking costs more than that. */
const SPINS = 2000;

type Port = {
  postMessage(message: WorkerMessage, transfer?: ArrayBuffer[]): void;
  listen(listener: (message: StartMessage | SingleMessage) => void): void;
};

function openPort(): Port {
  const parent = globalThis.process?.getBuiltinModule?.('node:worker_threads').parentPort;
  if (parent) {
    return {
      postMessage: (message, transfer = []) => parent.postMessage(message, transfer),
      listen: (listener) => void parent.on('message', listener),
    };
  }
  return {
    postMessage: (message, transfer = []) => (globalThis as unknown as Worker).postMessage(message, transfer),
    listen: (listener) =>
      globalThis.addEventListener('message', (event) => listener((event as MessageEvent<StartMessage>).data)),
  };
}

const port = openPort();
let handle: (message: StartMessage | SingleMessage) => void = start;
port.listen((message) => handle(message));

function start(message: StartMessage | SingleMessage): void {
  if (message.kind !== 'start') return;
  const memory =
    message.memory ?? new WebAssembly.Memory({ initial: message.initialPages, maximum: message.maximumPages });
  const kernels = new WebAssembly.Instance(message.module, { env: { memory } }).exports as unknown as Kernels;
  if (!message.memory) handle = serve(kernels, memory);
  port.postMessage({ kind: 'ready' });
  if (!message.memory) return;
  work(kernels, new Int32Array(memory.buffer), new Float64Array(message.times!), message.thread, message.threads);
}

/** The loop of a thread among several. `words` covers the start of the memory, where the ring is; growth doesn't move it. */
function work(kernels: Kernels, words: Int32Array, times: Float64Array, thread: number, threads: number): void {
  const table = kernelNames.map((name) => kernels[name]);
  for (let sequence = 0; ; sequence++) {
    if (!waitBeyond(words, HEAD, sequence)) return;
    const slot = slotOf(sequence);
    const kernel = table[words[slot + KERNEL]!]!;
    const tasks = words[slot + TASKS]!;
    const args = (slot + ARGUMENTS) * 4;
    const scratch = (words[slot + SCRATCH]! >>> 0) + thread * words[slot + SCRATCH_STRIDE]!;
    const timed = words[slot + TIMED] !== 0;
    if (timed) times[timesOf(sequence, thread, threads)] = nowMs();
    try {
      for (let task = Atomics.add(words, slot + NEXT, 1); task < tasks; task = Atomics.add(words, slot + NEXT, 1)) {
        kernel(args, task, scratch);
      }
    } catch (error) {
      port.postMessage({ kind: 'failed', message: `${kernelNames[words[slot + KERNEL]!]}: ${String(error)}` });
    }
    if (timed) times[timesOf(sequence, thread, threads) + 1] = nowMs();
    if (Atomics.add(words, slot + ARRIVED, 1) + 1 < threads) {
      // No thread starts the next command before all have finished this one: it may read what this one writes.
      if (!waitBeyond(words, DONE, sequence)) return;
      continue;
    }
    Atomics.store(words, DONE, sequence + 1);
    Atomics.notify(words, DONE);
    const wanted = Atomics.load(words, WANTED);
    if (wanted !== 0 && sequence + 1 >= wanted && Atomics.compareExchange(words, WANTED, wanted, 0) === wanted) {
      port.postMessage({ kind: 'done' });
    }
  }
}

/** Waits until the control word is greater than `value`; false when the thread is to stop. */
function waitBeyond(words: Int32Array, index: number, value: number): boolean {
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, index) > value) return true;
  for (;;) {
    if (Atomics.load(words, STOP)) return false;
    const seen = Atomics.load(words, index);
    if (seen > value) return true;
    Atomics.wait(words, index, seen);
  }
}

/** The only thread, where memory can't be shared. */
function serve(kernels: Kernels, memory: WebAssembly.Memory): (message: StartMessage | SingleMessage) => void {
  // Arguments lie where the ring's first slot would be.
  const args = (slotOf(0) + ARGUMENTS) * 4;
  const run = (command: Command) => {
    new Int32Array(memory.buffer, args, command.arguments.length).set(command.arguments);
    for (let task = 0; task < command.tasks; task++) kernels[command.kernel](args, task, command.scratch);
  };
  return (message) => {
    try {
      switch (message.kind) {
        case 'grow':
          memory.grow(message.pages - memory.buffer.byteLength / PAGE_BYTES);
          break;
        case 'write':
          new Uint8Array(memory.buffer, message.offset, message.bytes.byteLength).set(message.bytes);
          break;
        case 'read': {
          const bytes = new Uint8Array(memory.buffer, message.offset, message.byteLength).slice().buffer;
          port.postMessage({ kind: 'data', id: message.id, bytes }, [bytes]);
          break;
        }
        case 'run': {
          const { command, sequence, timed } = message;
          const startMs = timed ? nowMs() : 0;
          run(command);
          port.postMessage({ kind: 'done', sequence, ...(timed && { span: { startMs, endMs: nowMs() } }) });
          break;
        }
      }
    } catch (error) {
      port.postMessage({ kind: 'failed', message: `${message.kind}: ${String(error)}` });
    }
  };
}
