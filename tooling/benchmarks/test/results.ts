// Results files as tests need them.

import { bertBase, type Machine, type ResultRow, type ResultsFile, resultsFormat } from '@flashmla/workloads';

type Timed = [implementation: ResultRow['implementation'], precision: string, tokens: number, medianMs: number | null];

const machine: Machine = {
  cpu: 'a CPU',
  cores: 2,
  features: ['avx2'],
  memoryBytes: 2 ** 34,
  os: 'Linux 6 x64',
  node: 'v22.0.0',
  threads: 2,
  backend: 'cpu',
  device: '2 threads',
  versions: { flashmla: '0.0.0', 'onnxruntime-node': '1.30.0' },
};

/** Rows as [implementation, precision, tokens, median], runs from half to twice that; null was out of memory. */
export function resultsFile(rows: readonly Timed[], own: Partial<ResultsFile> = {}): ResultsFile {
  return {
    ...{ format: resultsFormat, date: '2026-11-28T00:00:00.000Z', command: 'flashmla bench model', machine },
    ...{ subject: 'model', model: 'BERT', geometry: bertBase, dtype: 'float32', notes: [] },
    results: rows.map(([implementation, precision, tokens, medianMs]) => ({
      ...{ implementation, precision, tokens, medianMs, batch: 1, runs: 9, peakBytes: null },
      outcome: medianMs === null ? 'out-of-memory' : 'timed',
      minMs: medianMs && medianMs / 2,
      maxMs: medianMs && medianMs * 2,
    })),
    ...own,
  };
}
