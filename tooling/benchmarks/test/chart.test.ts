import { evenTicksBetween, ticksBetween } from '@flashmla/workloads';
import { expect, test } from 'vitest';
import { panelsOf } from '../src/chart/series.ts';
import { chart } from '../src/chart/svg.ts';
import { resultsFile } from './results.ts';

const near = resultsFile([
  ['flashmla-sparse', 'float32', 512, 512],
  ['flashmla-sparse', 'float32', 128, 64],
  ['onnxruntime-web', 'float32', 128, 128],
  ['onnxruntime-web', 'float32', 512, null],
]);

test('a panel has a line for each implementation, in tokens per second by length', () => {
  const [panel, ...others] = panelsOf([near]);
  expect(others).toEqual([]);
  expect(panel).toEqual({
    batch: 1,
    series: [
      {
        ...{ label: 'FlashMLA cpu, sparse', family: 'flashmla', rank: 0, missing: [] },
        points: [
          { tokens: 128, rate: 2000, least: 1000, most: 4000 },
          { tokens: 512, rate: 1000, least: 500, most: 2000 },
        ],
      },
      {
        ...{ label: 'onnxruntime-web', family: 'onnxruntime-web', rank: 0 },
        points: [{ tokens: 128, rate: 1000, least: 500, most: 2000 }],
        missing: [{ tokens: 512, why: 'out of memory' }],
      },
    ],
  });
});

test('several files make one line: the median of their medians, the spread of all; batches have panels of their own', () => {
  const again = resultsFile([['flashmla-sparse', 'float32', 128, 32]]);
  const batch = { ...again, results: again.results.map((row) => ({ ...row, batch: 8 })) };
  const panels = panelsOf([near, again, batch]);
  expect(panels.map((one) => one.batch)).toEqual([1, 8]);
  expect(panels[0]!.series[0]!.points[0]).toEqual({ tokens: 128, rate: 128_000 / 48, least: 1000, most: 8000 });
  expect(panels[1]!.series[0]!.points[0]!.rate).toBe((8 * 128_000) / 32);
});

test('a line is drawn alike in all panels, whatever else is in them', () => {
  const both = resultsFile([
    ['flashmla-sparse', 'float32', 128, 64],
    ['flashmla-dense', 'float32', 128, 64],
  ]);
  const batch = { ...both, results: both.results.slice(1).map((row) => ({ ...row, batch: 8 })) };
  const [alone, together] = panelsOf([both, batch]);
  expect(alone!.series.map(({ label, rank }) => [label, rank])).toEqual([
    ['FlashMLA cpu, sparse', 0],
    ['FlashMLA cpu, dense', 1],
  ]);
  expect(together!.series.map(({ label, rank }) => [label, rank])).toEqual([['FlashMLA cpu, dense', 1]]);
});

test('a chart is of one subject on one machine', () => {
  expect(() => panelsOf([near, { ...near, subject: 'layer' }])).toThrow(/one chart shows one subject/);
  expect(() => panelsOf([])).toThrow(/given were no results/);
});

test('axes have round numbers that enclose the data', () => {
  expect(ticksBetween(130, 1900)).toEqual([100, 200, 500, 1000, 2000]);
  expect(ticksBetween(1000, 1001)).toEqual([1000, 2000]);
  expect(evenTicksBetween(13, 48)).toEqual([10, 20, 30, 40, 50]);
  expect(evenTicksBetween(0.865, 0.87)).toEqual([0.864, 0.866, 0.868, 0.87]);
  expect(evenTicksBetween(1, 1)).toHaveLength(2);
});

test('the drawing places points by their logarithms, and says in words what is missing', () => {
  const svg = chart(panelsOf([near]), { title: 'A & B', notes: ['a note'] });
  expect(svg).toContain('<title>A &amp; B</title>');
  expect(svg).toContain('onnxruntime-web: out of memory at 512 tokens');
  expect(svg).toContain('prefers-color-scheme: dark');
  // Ticks at 500, 1k, 2k and 5k; the medians are 2k at 128 tokens and 1k at 512.
  const heights = [...svg.matchAll(/<circle class="flashmla" cx="[\d.]+" cy="([\d.]+)"/g)].map(([, y]) => y);
  const ticks = [...svg.matchAll(/<line class="grid" x1="64" x2="610" y1="([\d.]+)"/g)].map(([, y]) => y);
  expect(ticks).toHaveLength(4);
  expect(heights).toEqual([ticks[2], ticks[1]]);
});
