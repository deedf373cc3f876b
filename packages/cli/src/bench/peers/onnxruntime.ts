// The benchmark's peers: onnxruntime-web (its wasm build) and onnxruntime-node (its CPU build) behind one small
// interface. Both are loaded only when asked for and are no dependency of the published command line.
//
// They run on the calling thread, as they do for their users: a run blocks the event loop until it is done. Timing,
// alternation (see `settleMs`) and comparison of outputs are the caller's.

import { FlashMLAError } from '@flashmla/tensor';
import type { PeerInput } from '@flashmla/workloads';
import type * as Onnxruntime from 'onnxruntime-web';

export type PeerName = 'onnxruntime-web' | 'onnxruntime-node';

export interface PeerOptions {
  /** Threads a run uses, the calling one included. */
  threads: number;
}

/**
 * How long a peer may keep a core busy after a run, its threads waiting for the next one, with a margin: 30 to 60 ms of
 * CPU time were seen in 1.30 (both peers, two threads, AMD EPYC). Wait this long before timing anything else.
 */
export const settleMs = 120;

/** A model loaded into a peer. */
export interface Peer {
  readonly name: PeerName;
  /** Version of the installed package. */
  readonly version: string;
  /**
   * Runs the model on `inputs`, by the names they have in the model; resolves to its first output, flat.
   * @throws FlashMLAError `backend-failed` with the peer's own message, out of memory included.
   */
  run(inputs: Record<string, PeerInput>): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/**
 * Loads `modelBytes` (ONNX) into a peer, all graph optimisations on, everything else as the peer has it by default.
 * @throws FlashMLAError `backend-unavailable` when the package is not installed or does not load, `unsupported` when it
 * can't use `threads` threads, `backend-failed` when it refuses the model.
 */
export async function openPeer(name: PeerName, modelBytes: Uint8Array, { threads }: PeerOptions): Promise<Peer> {
  const runtime = await load(name);
  const version = runtime.env.versions[name === 'onnxruntime-web' ? 'web' : 'node'] ?? runtime.env.versions.common;
  const source = `${name} ${version}`;
  if (name === 'onnxruntime-web') requestWebThreads(runtime, threads);

  const session = await runtime.InferenceSession.create(modelBytes, {
    graphOptimizationLevel: 'all',
    // What a rejected run says is all that is wanted of the peer's log.
    logSeverityLevel: 4,
    ...(name === 'onnxruntime-web'
      ? { executionProviders: ['wasm'] }
      : { executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1 }),
  }).catch((cause: unknown) => {
    throw failure(source, 'load the model', cause, 'Leave this peer out of --peers.');
  });
  if (name === 'onnxruntime-web' && runtime.env.wasm.numThreads !== threads) {
    await session.release();
    throw tooFewWebThreads(runtime.env.wasm.numThreads, threads);
  }

  return {
    name,
    version,
    async run(inputs) {
      try {
        const feeds = Object.fromEntries(
          Object.entries(inputs).map(([input, { data, shape }]) => [input, new runtime.Tensor('float32', data, shape)]),
        );
        const outputs = await session.run(feeds);
        return outputs[session.outputNames[0]!]!.data as Float32Array;
      } catch (cause) {
        throw failure(source, 'run the model', cause, 'Shorten the input, or leave this peer out of --peers.');
      }
    },
    dispose: () => session.release(),
  };
}

type Runtime = typeof Onnxruntime;

/** Both packages export the API of onnxruntime-common. The name is no literal, so that no bundler takes a peer in. */
async function load(name: PeerName): Promise<Runtime> {
  try {
    return (await import(name)) as Runtime;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const given = isMissing ? 'is not installed.' : `is installed and does not load: ${messageOf(cause)}`;
    const advice = isMissing ? `Run \`npm install ${name}\` beside flashmla` : 'Install it again';
    throw new FlashMLAError(
      'backend-unavailable',
      `[flashmla] the peer ${name} was asked for and ${given} ${advice}, or leave it out of --peers.`,
      { cause },
    );
  }
}

/** onnxruntime-web has one thread pool for the process, made with its first session. */
let webThreads: number | undefined;

function requestWebThreads(runtime: Runtime, threads: number): void {
  if (webThreads !== undefined && webThreads !== threads) {
    throw new FlashMLAError(
      'unsupported',
      `[flashmla] onnxruntime-web with ${threads} threads was asked for, this process started it with ` +
        `${webThreads} and it can only be started once. Measure each number of threads in a process of its own.`,
    );
  }
  if (webThreads === undefined) runtime.env.wasm.numThreads = webThreads = threads;
}

/** It goes on with one thread, after a warning, where it can't have more; a benchmark must not. */
function tooFewWebThreads(actual: number | undefined, threads: number): FlashMLAError {
  return new FlashMLAError(
    'unsupported',
    `[flashmla] onnxruntime-web with ${threads} threads was asked for, it runs with ${actual} here. ` +
      `Ask for ${actual}, in a new process.`,
  );
}

function failure(source: string, action: string, cause: unknown, advice: string): FlashMLAError {
  const message = `[flashmla] ${source} could not ${action}: ${messageOf(cause)} ${advice}`;
  return new FlashMLAError('backend-failed', message, { cause });
}

function messageOf(cause: unknown): string {
  const text = (cause instanceof Error ? cause.message : `it threw ${String(cause)}`).trim();
  return text.endsWith('.') ? text : `${text}.`;
}
