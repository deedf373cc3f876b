// What the page and its worker say to each other. Everything is plain data, so that it can be posted.

import type { BackendReport } from '@flashmla/backend';
import type { GateName } from '@flashmla/gating';
import type { GateMeasure } from '@flashmla/model-swap';
import type { BackendName, ErrorCode, FloatDType, SelectionInit } from '@flashmla/tensor';

export type { BackendReport } from '@flashmla/backend';
export type { GateName } from '@flashmla/gating';
export type { GateMeasure } from '@flashmla/model-swap';
export type { BackendName, SelectionInit } from '@flashmla/tensor';

/** What the page may ask for, by name. */
export interface Calls {
  probe: { request: null; event: never; result: Probe };
  open: { request: OpenRequest; event: LoadEvent; result: Opened };
  plan: { request: PlanRequest; event: never; result: Planned };
  run: { request: RunRequest; event: RunEvent; result: null };
}

export type CallName = keyof Calls;

export interface Probe {
  readonly reports: readonly BackendReport[];
}

export interface OpenRequest {
  /** undefined = the best there is. */
  readonly backend: BackendName | undefined;
  readonly dtype: FloatDType;
  readonly model: ModelChoice;
}

/** Where the model's files are: URLs by file name, or files that were dropped. */
export type ModelChoice =
  | { readonly name: string; readonly urls: Readonly<Record<string, string>> }
  | { readonly name: string; readonly files: Readonly<Record<string, Blob>> };

export interface LoadEvent {
  readonly task: 'fetch' | 'load';
  /** Bytes. */
  readonly done: number;
  /** undefined where the server does not say: compressed, or in chunks. */
  readonly total: number | undefined;
}

export interface Opened {
  readonly backend: BackendName;
  readonly device: string;
  /** Why this backend, and why not the others. */
  readonly why: string;
  /** Whether memory is shared between threads: without it there is one. */
  readonly isolated: boolean;
  readonly model: ModelInfo;
}

export interface ModelInfo {
  readonly name: string;
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly modelDim: number;
  readonly maxTokens: number;
  readonly labels: readonly string[];
}

export interface PlanRequest {
  readonly text: string;
  /** undefined = by length. */
  readonly k: number | undefined;
}

export interface Planned {
  readonly tokens: number;
  /** Whether the text's end is left out, because the model takes no more. */
  readonly truncated: boolean;
  readonly k: number;
  readonly sparseBytes: number;
  readonly denseBytes: number;
  readonly weightBytes: number;
  /** A multiply-add counts 2. */
  readonly sparseFlops: number;
  readonly denseFlops: number;
}

export interface RunRequest {
  readonly text: string;
  readonly k: number | undefined;
  readonly gate: GateName;
}

export type Kind = 'dense' | 'sparse';

export interface Answer {
  readonly label: string | undefined;
  /** Softmax of its logit. */
  readonly confidence: number;
  readonly tokens: number;
  readonly truncated: boolean;
}

export interface Cost {
  /** Least of the timed runs. */
  readonly elapsedMs: number;
  /** Most memory of the backend in use at once, weights included. */
  readonly peakBytes: number;
  /** Share of the keys computed for a query, mean over the layers; residual groups count. */
  readonly keysShare: number;
  /** Whether every layer ran dense, since a query would select all keys anyway. */
  readonly ranDense: boolean;
}

export interface Point {
  readonly tokens: number;
  readonly denseMs: number;
  readonly sparseMs: number;
}

export type RunEvent =
  | { readonly kind: 'step'; readonly step: string }
  | { readonly kind: 'answer'; readonly attention: Kind; readonly answer: Answer }
  | { readonly kind: 'cost'; readonly attention: Kind; readonly cost: Cost }
  | { readonly kind: 'qualities'; readonly tokens: number; readonly heads: readonly GateMeasure[] }
  | { readonly kind: 'selections'; readonly pieces: readonly string[]; readonly layers: readonly LayerSelection[] }
  | { readonly kind: 'point'; readonly point: Point };

/** undefined where the layer ran dense. */
export type LayerSelection = SelectionInit | undefined;

/** An error as it crosses over. */
export interface Failure {
  readonly message: string;
  /** Of a FlashMLAError, or the name of another error. */
  readonly code: ErrorCode | 'aborted' | 'unexpected';
}

export type ToWorker =
  | { [Name in CallName]: { id: number; call: Name; request: Calls[Name]['request'] } }[CallName]
  | { id: number; call: 'cancel' };

export type FromWorker =
  | { id: number; event: Calls[CallName]['event'] }
  | { id: number; result: Calls[CallName]['result'] }
  | { id: number; failure: Failure };
