import { parseResults } from '@flashmla/workloads';
import { expect, test } from 'vitest';
import { compareRatios } from '../src/check/ratios.ts';
import { resultsFile } from './results.ts';

const baseline = resultsFile([
  ['flashmla-sparse', 'float32', 512, 50],
  ['flashmla-dense', 'float32', 512, 100],
  ['onnxruntime-node', 'float32', 512, 150],
  ['onnxruntime-node', 'int8', 512, 75],
]);

const verdicts = (after: typeof baseline, tolerance = 0.15) =>
  Object.fromEntries(
    compareRatios(baseline, after, tolerance).map(({ what, verdict }) => [what.split(': ')[1], verdict]),
  );

test('ratios are of each of ours to each peer, and of sparse to dense', () => {
  expect(compareRatios(baseline, baseline, 0).map(({ what, before, after }) => [what, before, after])).toEqual([
    ['1 × 512 tokens: flashmla-sparse against flashmla-dense float32', 2, 2],
    ['1 × 512 tokens: flashmla-sparse against onnxruntime-node float32', 3, 3],
    ['1 × 512 tokens: flashmla-sparse against onnxruntime-node int8', 1.5, 1.5],
    ['1 × 512 tokens: flashmla-dense against onnxruntime-node float32', 1.5, 1.5],
    ['1 × 512 tokens: flashmla-dense against onnxruntime-node int8', 0.75, 0.75],
  ]);
});

test('a machine that is slower at all of them changes nothing', () => {
  const slower = {
    ...baseline,
    results: baseline.results.map((row) => ({ ...row, medianMs: row.medianMs! * 3 })),
  };
  expect(new Set(Object.values(verdicts(slower, 0)))).toEqual(new Set(['kept']));
});

test('what lost more than the tolerance is worse, what gained as much better', () => {
  const changed = resultsFile([
    ['flashmla-sparse', 'float32', 512, 60],
    ['flashmla-dense', 'float32', 512, 80],
    ['onnxruntime-node', 'float32', 512, 150],
    ['onnxruntime-node', 'int8', 512, 75],
  ]);
  expect(verdicts(changed)).toEqual({
    'flashmla-sparse against flashmla-dense float32': 'worse',
    'flashmla-sparse against onnxruntime-node float32': 'worse',
    'flashmla-sparse against onnxruntime-node int8': 'worse',
    'flashmla-dense against onnxruntime-node float32': 'better',
    'flashmla-dense against onnxruntime-node int8': 'better',
  });
  expect(verdicts(changed, 0.5)['flashmla-sparse against onnxruntime-node float32']).toBe('kept');
});

test('what has no time any more is lost where it is ours, and not comparable where it is a peer or was not measured', () => {
  const changed = resultsFile([
    ['flashmla-sparse', 'float32', 512, null],
    ['flashmla-dense', 'float32', 512, 100],
    ['onnxruntime-node', 'float32', 512, null],
  ]);
  expect(verdicts(changed)).toEqual({
    'flashmla-sparse against flashmla-dense float32': 'lost',
    'flashmla-sparse against onnxruntime-node float32': 'lost',
    'flashmla-sparse against onnxruntime-node int8': 'lost',
    'flashmla-dense against onnxruntime-node float32': 'not-comparable',
    'flashmla-dense against onnxruntime-node int8': 'not-comparable',
  });
});

test('files of different computations are refused', () => {
  expect(() => compareRatios(baseline, { ...baseline, dtype: 'int8' }, 0.15)).toThrow(/dtype 'float32', .* 'int8'/);
  const machine = { ...baseline.machine, threads: 1 };
  expect(() => compareRatios(baseline, { ...baseline, machine }, 0.15)).toThrow(/threads '2', .* '1'/);
});

test('a results file is read as it was written, and nothing else is', () => {
  expect(parseResults(JSON.stringify(baseline), 'a.json')).toEqual(baseline);
  expect(() => parseResults('{', 'a.json')).toThrow(/a\.json is no results file: it is no JSON/);
  expect(() => parseResults('{}', 'a.json')).toThrow(/its format is undefined, expected 'flashmla-bench\/1'/);
  const timeless = JSON.stringify(baseline).replace('"medianMs":50', '"medianMs":null');
  expect(() => parseResults(timeless, 'a.json')).toThrow(/no time that fits its outcome/);
});
