// What the main thread and the workers agree on: the kernels by number, and the command ring in shared memory.

import type { Span } from '@flashmla/tensor';

/** Exports of the WASM module; a command names one by its place in this list. */
export const kernelNames = [
  'linear',
  'packWeight',
  'linearInt8',
  'quantizeRows',
  'quantizeWeight',
  'layerNorm',
  'embedding',
  'packKeys',
  'packGroups',
  'denseAttention',
  'sparseTiles',
  'sparseLists',
  'gateProjection',
  'contentOrder',
  'featureBlocks',
  'selectTopK',
  'slotMembers',
  'slotLists',
  'blockPool',
  'packPanels',
  'transpose',
  'activationGradient',
  'rowSums',
  'layerNormGradient',
  'layerNormSums',
  'denseGradientQueries',
  'denseGradientKeys',
  'crossEntropy',
  'embeddingGradient',
  'sparseGradientSums',
  'sparseGradientTiles',
  'sparseGradientRows',
  'sparseGradientPanels',
  'sparseGradientLists',
  'sparseGradientGroups',
  'sparseGradientTileKeys',
  'sparseGradientRowKeys',
  'activation',
  'add',
  'dropout',
  'cast',
  'squarePieces',
  'squareTotal',
  'adamW',
] as const;

export type KernelName = (typeof kernelNames)[number];

export type Kernels = Record<KernelName, (args: number, task: number, scratch: number) => void>;

/** A step as it is handed to the workers; addresses are byte offsets in the WASM memory. */
export interface Command {
  readonly kernel: KernelName;
  readonly tasks: number;
  readonly arguments: readonly number[];
  readonly scratch: number;
  /** Bytes from one thread's scratch to the next. */
  readonly scratchStride: number;
}

// Control words, as indices into an Int32Array over the memory.
const CONTROL = 256;
/** Commands published by the main thread. */
export const HEAD = CONTROL;
/** Commands all workers have finished. */
export const DONE = CONTROL + 16;
/** Set when the main thread wants a message once DONE reaches this; 0 = no. */
export const WANTED = CONTROL + 32;
/** 1 = leave the loop. */
export const STOP = CONTROL + 48;

/** Commands the ring holds. */
export const RING = 256;
const SLOT_WORDS = 64;
const RING_START = 1024;

// Words of a ring slot.
export const KERNEL = 0;
export const TASKS = 1;
/** Next task to take; tasks are taken by atomic addition. */
export const NEXT = 2;
/** Workers that found no more tasks. */
export const ARRIVED = 3;
export const SCRATCH = 4;
export const SCRATCH_STRIDE = 5;
/** 1 = note in the times of this slot when each worker is at the command. */
export const TIMED = 6;
export const ARGUMENTS = 8;
export const MAX_ARGUMENTS = SLOT_WORDS - ARGUMENTS;

/** First word of the slot of command number `sequence`. */
export const slotOf = (sequence: number): number => RING_START + (sequence % RING) * SLOT_WORDS;

/**
 * Times lie beside the memory, in a Float64Array: for each slot, for each thread, when it began to take tasks and when it
 * found no more (`nowMs`). They hold until the slot is used again.
 */
export const timesOf = (sequence: number, thread: number, threads: number): number =>
  2 * ((sequence % RING) * threads + thread);
export const timesBytes = (threads: number): number => 8 * 2 * RING * threads;

/** First byte that tensors may use. */
export const HEAP_START = (RING_START + RING * SLOT_WORDS) * 4;

export const PAGE_BYTES = 65536;

/** To a worker, once: what it needs to start. Without shared memory the worker makes its own. */
export interface StartMessage {
  readonly kind: 'start';
  readonly module: WebAssembly.Module;
  readonly memory?: WebAssembly.Memory;
  /** For the times of timed commands; comes with shared memory. */
  readonly times?: SharedArrayBuffer;
  readonly initialPages: number;
  readonly maximumPages: number;
  readonly thread: number;
  readonly threads: number;
}

/** To the only worker of an engine without shared memory, in order. */
export type SingleMessage =
  | { readonly kind: 'grow'; readonly pages: number }
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'read'; readonly offset: number; readonly byteLength: number; readonly id: number }
  | { readonly kind: 'run'; readonly command: Command; readonly sequence: number; readonly timed: boolean };

/** From a worker. */
export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly sequence?: number; readonly span?: Span }
  | { readonly kind: 'data'; readonly id: number; readonly bytes: ArrayBuffer }
  | { readonly kind: 'failed'; readonly message: string };
