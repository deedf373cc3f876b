// What the benchmark and a peer's process say to each other: one call at a time, each answered once.

import type { PeerInput, PeerName } from '@flashmla/workloads';

export interface LoadCall {
  readonly call: 'load';
  readonly name: PeerName;
  /** The ONNX file. */
  readonly modelFile: string;
  readonly inputs: Readonly<Record<string, PeerInput>>;
  /** Threads a run uses, the calling one included. */
  readonly threads: number;
}

export interface RunCall {
  /** 'run' is timed, 'output' gives the values. */
  readonly call: 'run' | 'output';
  /** The output that is fetched. */
  readonly output: string;
}

export type PeerCall = LoadCall | RunCall;

export interface PeerAnswers {
  /** The version of the installed package. */
  load: string;
  /** Milliseconds. */
  run: number;
  output: Float32Array;
}

export interface PeerFailure {
  readonly code: 'backend-unavailable' | 'backend-failed' | 'unsupported' | 'out-of-memory';
  readonly message: string;
}

export type PeerReply = { readonly result: PeerAnswers[PeerCall['call']] } | { readonly failure: PeerFailure };
