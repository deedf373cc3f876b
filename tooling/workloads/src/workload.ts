// What the benchmark measures, at one length: the same computation as this project does it, sparse and dense, and as an
// ONNX model for a peer, on the same weights and inputs.

import type { DeviceTensor } from '@flashmla/tensor';

export interface PeerInput {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export type OwnName = 'flashmla-sparse' | 'flashmla-dense';

export interface Workload {
  readonly own: Readonly<Record<OwnName, OwnRun>>;
  /** Whether inputs start and outputs end in ordinary memory, as they do for a peer; otherwise both stay on the device. */
  readonly isHostToHost: boolean;
  /** Device memory of inputs and outputs that a run allocates itself: not counted as extra. */
  readonly boundaryBytes: number;
  /** Graphs a peer may run; of several, the fastest stands for it. */
  readonly peerGraphs: readonly PeerGraph[];
  readonly peerInputs: Readonly<Record<string, PeerInput>>;
  dispose(): void;
}

/** Queues one run; the caller waits for it and disposes its output. */
export type OwnRun = (signal: AbortSignal) => Promise<DeviceTensor>;

export interface PeerGraph {
  /** 'plain': standard operators. 'fused': the peer's own MultiHeadAttention. */
  readonly name: 'plain' | 'fused';
  /** The model's bytes, made when wanted: those of a whole encoder are large. */
  readonly bytes: () => Uint8Array;
}

/** Makes the workload of a length. */
export type WorkloadOf = (tokens: number, k: number) => Workload;
