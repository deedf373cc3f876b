// What the benchmark measures, at one length: the same computation as this project does it, sparse and dense, and as an
// ONNX model for a peer, on the same weights and inputs.

import type { Precision } from './onnx/model-graph.ts';

export interface PeerInput {
  /** f32, or i64 for ids. */
  readonly data: Float32Array | BigInt64Array;
  readonly shape: readonly number[];
}

export type OwnName = 'flashmla-sparse' | 'flashmla-dense';

export interface Workload {
  readonly own: Readonly<Record<OwnName, OwnRun>>;
  /** Device memory of inputs and outputs that a run allocates itself: not counted as extra. */
  readonly boundaryBytes: number;
  /** Graphs a peer may run in a precision; of several, the fastest stands for it. None where the precision changes nothing. */
  peerGraphs(precision: Precision): readonly PeerGraph[];
  readonly peerInputs: Readonly<Record<string, PeerInput>>;
  readonly peerOutputs: PeerOutputs;
  dispose(): void;
}

/** One of this project's ways to compute it. */
export interface OwnRun {
  /** One run as it is timed, until its result is where it is wanted. */
  run(signal: AbortSignal): Promise<void>;
  /** The values that are compared. */
  output(signal: AbortSignal): Promise<Float32Array>;
}

/** Which of a graph's outputs a timed run fetches, and which is compared with ours. */
export interface PeerOutputs {
  readonly timed: string;
  readonly compared: string;
}

export interface PeerGraph {
  /** 'plain': standard operators. 'fused': the peer's own MultiHeadAttention. */
  readonly name: 'plain' | 'fused';
  /** The model's bytes, made when wanted: those of a whole encoder are large. */
  readonly bytes: () => Uint8Array;
}

/** Makes the workload of a length. */
export type WorkloadOf = (tokens: number, k: number) => Workload;
