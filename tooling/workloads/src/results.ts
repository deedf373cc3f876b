// The file that `flashmla bench --out` writes and that charts and the regression check read: what was measured, on which
// machine, and what could not be.

import { FlashMLAError } from '@flashmla/tensor';
import type { Geometry } from './geometry.ts';
import type { OwnName } from './workload.ts';

export const resultsFormat = 'flashmla-bench/1';

export type PeerName = 'onnxruntime-web' | 'onnxruntime-node';

/**
 * 'timed'; or why there are no times. 'different': its output is not ours. 'time-limit': one run took longer than the
 * limit, here or at a smaller size.
 */
export type Outcome = 'timed' | 'different' | 'out-of-memory' | 'time-limit' | 'failed';

export interface ResultRow {
  readonly implementation: OwnName | PeerName;
  /** What weights are kept in: ours by --dtype; a peer's int8 is its own dynamic quantisation. */
  readonly precision: string;
  /** Texts of a run. */
  readonly batch: number;
  /** Of each text. */
  readonly tokens: number;
  readonly outcome: Outcome;
  /** Of one run; null where it was not timed, and `error` says why. */
  readonly medianMs: number | null;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly runs: number;
  /** Most device memory of a run beyond inputs, outputs and weights; null for peers, which do not tell. */
  readonly peakBytes: number | null;
  /** Keys a query attends to. */
  readonly k?: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of the whole output. */
  readonly outputError?: number;
  /** Of a peer: the largest difference from flashmla-dense, in units of that output's root mean square. */
  readonly difference?: number;
  /** Which graph the peer ran. */
  readonly graph?: string;
  readonly error?: string;
}

export interface Machine {
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  /** Vector and matrix extensions of the CPU; null where the system does not tell. */
  readonly features: readonly string[] | null;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
  /** Threads of every implementation. */
  readonly threads: number;
  readonly backend: string;
  readonly device: string;
  /** Of flashmla, V8, and the peers that were measured. */
  readonly versions: Readonly<Record<string, string>>;
}

export interface ResultsFile {
  readonly format: typeof resultsFormat;
  /** When it was measured, ISO 8601. */
  readonly date: string;
  /** The command that repeats it. */
  readonly command: string;
  readonly machine: Machine;
  readonly subject: 'attention' | 'layer' | 'model';
  /** The folder's name, or the sizes a made-up model has. */
  readonly model: string;
  readonly geometry: Geometry;
  readonly dtype: string;
  readonly results: readonly ResultRow[];
  /** What must be known to read the figures. */
  readonly notes: readonly string[];
}

/** @throws FlashMLAError 'invalid-file' for anything that no `flashmla bench --out` of this format wrote */
export function parseResults(text: string, fileName: string): ResultsFile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw invalid(fileName, `it is no JSON: ${(cause as Error).message}`, cause);
  }
  const file = parsed as Partial<ResultsFile> | null;
  if (file?.format !== resultsFormat) {
    throw invalid(fileName, `its format is ${JSON.stringify(file?.format)}, expected '${resultsFormat}'`);
  }
  const row = file.results?.find(
    ({ medianMs, outcome }) => (outcome === 'timed') !== (typeof medianMs === 'number' && medianMs > 0),
  );
  if (!Array.isArray(file.results) || row) {
    throw invalid(
      fileName,
      row ? `a row has no time that fits its outcome: ${JSON.stringify(row)}` : 'it has no results',
    );
  }
  return file as ResultsFile;
}

const invalid = (fileName: string, reason: string, cause?: unknown) =>
  new FlashMLAError(
    'invalid-file',
    `[flashmla] ${fileName} is no results file: ${reason}. Write one with \`flashmla bench … --out FILE\`.`,
    { cause },
  );
