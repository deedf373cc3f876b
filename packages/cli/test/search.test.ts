import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadModel, swapAttention } from '@flashmla/model-swap';
import { describe, expect, it } from 'vitest';
import { paretoChart, paretoFront } from '../src/search/pareto-chart.ts';
import type { PointReport } from '../src/search/report.ts';
import { failureOf, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

const folder = useFolder();
const words = 'the film begins slowly and ends in a storm that nobody in the village would have believed'.split(' ');
/** Texts of 8 to 38 words, none like another. */
const texts = Array.from({ length: 16 }, (_, text) =>
  Array.from({ length: 8 + 2 * text }, (_, i) => words[(text * 5 + i * (1 + (text % 4))) % words.length]).join(' '),
);
const rows = (row: (text: string, i: number) => object) =>
  texts.map((text, i) => `${JSON.stringify(row(text, i))}\n`).join('');

interface Searched {
  winner: string;
  dtype: string;
  texts: number;
  layers: { layer: number; attention: 'dense' | { gate: string; k: number } }[];
  methods: { method: string; predictedMs: number; predictedError: number; measured: PointReport }[];
  points: PointReport[];
}

const written = [
  ...['config.json', 'gates.json', 'gates.safetensors', 'model.safetensors', 'pareto.json', 'pareto.svg'],
  ...['search.json', 'tokenizer.json', 'tokenizer_config.json'],
];

describe('flashmla search', { ...slow, timeout: 600_000 }, () => {
  it('writes a folder that loads with what was chosen, what was measured, and the curve', async () => {
    const data = await folder.write(
      'rows.jsonl',
      rows((text, i) => ({ text, label: i % 2 })),
    );
    const out = join(folder.path(), 'searched');
    const run = ['--model', model, '--data', data, '--calibration', '8', '--points', '2', '--backend', 'cpu'];
    const asked = ['--latency-ms', '100000', '--out', out];
    const searched = await flashmlaJson<Searched>('search', ...run, ...asked);
    // What is as fast as asked for without a gate stays exact.
    expect(searched).toMatchObject({ winner: 'tie', dtype: 'float32', texts: 8, latencyMs: 100_000 });
    expect(searched.layers.map(({ attention }) => attention)).toEqual(['dense', 'dense', 'dense', 'dense']);
    expect(searched.methods.map(({ method }) => method)).toEqual(['relaxation', 'evolution']);
    expect(searched.points.map(({ kind, k }) => k ?? kind)).toEqual(expect.arrayContaining(['dense', 16, 32, 64]));
    expect(searched.points[0]).toMatchObject({ kind: 'dense', agreement: 1, logitError: 0 });
    expect((await readdir(out)).sort()).toEqual(written);
    const read = async (name: string) => JSON.parse(await readFile(join(out, name), 'utf8'));
    const whole = await read('search.json');
    expect(whole).toMatchObject({ format: 'flashmla-search/1', machine: { backend: 'cpu' } });
    expect(whole.measured[0].costs).toHaveLength(3);
    expect(whole.measured[0].errors).toHaveLength(3);
    // Both methods under each budget; how many budgets there are depends on whether a gate pays here.
    const budgets = [...new Set((whole.results as { budgetMs: number }[]).map(({ budgetMs }) => budgetMs))];
    expect(budgets.at(-1)).toBe(100_000);
    expect(whole.results).toHaveLength(2 * budgets.length);
    expect((await read('pareto.json')).points).toEqual(searched.points);
    expect(await readFile(join(out, 'pareto.svg'), 'utf8')).toContain('<title>accuracy against latency</title>');
    await using loaded = await loadModel(out);
    expect(loaded.chosen?.layers).toEqual(searched.layers.map(({ attention }) => attention));
    expect(swapAttention(loaded).unchanged).toEqual([0, 1, 2, 3]);

    const evaluated = await flashmlaJson<{ results: object[] }>(
      'eval',
      '--model',
      out,
      '--data',
      data,
      '--backend',
      'cpu',
    );
    expect(evaluated.results).toMatchObject([
      { attention: 'dense', k: null },
      { attention: 'sparse', gate: null, k: null, agreement: 1 },
    ]);
    await rm(out, { recursive: true });
    expect(await failureOf('search', ...run, '--latency-ms', '0.0001', '--out', out)).toMatch(
      /--latency-ms is 0\.0001, and no choice is that fast: on cpu a text of this data takes .* Give at least/,
    );
    expect(await readdir(out)).toEqual([]);
  });

  it('judges texts without labels by their agreement with dense attention', async () => {
    const data = await folder.write(
      'texts.jsonl',
      rows((text) => ({ text })),
    );
    const out = join(folder.path(), 'unlabelled');
    const run = ['--model', model, '--data', data, '--calibration', '8', '--points', '2', '--gates', 'block'];
    const asked = ['--latency-ms', '100000', '--out', out, '--backend', 'cpu'];
    const { points } = await flashmlaJson<Searched>('search', ...run, ...asked);
    expect(points.every(({ accuracy, agreement }) => accuracy === null && agreement !== null)).toBe(true);
    expect(await readFile(join(out, 'pareto.svg'), 'utf8')).toContain('agreement with dense against latency');
  });

  it('fails for what is missing or wrong', async () => {
    const data = await folder.write(
      'rows.jsonl',
      rows((text) => ({ text, label: 0 })),
    );
    const out = join(folder.path(), 'out');
    const all = ['--model', model, '--data', data, '--out', out, '--backend', 'cpu'];
    expect(await failureOf('search', ...all)).toMatch(/--latency-ms is missing/);
    expect(await failureOf('search', ...all, '--latency-ms', 'fast')).toMatch(/--latency-ms is 'fast'; expected/);
    expect(await failureOf('search', ...all, '--latency-ms', '0')).toMatch(/expected milliseconds above 0/);
    const rest = [...all, '--latency-ms', '9'];
    expect(await failureOf('search', ...rest, '--gates', 'oracle')).toMatch(
      /--gates is 'oracle'; expected one of content, block, slot/,
    );
    expect(await failureOf('search', ...rest, '--dtypes', 'float8')).toMatch(/--dtypes is 'float8'/);
    expect(await failureOf('search', ...rest, '--points', '1')).toMatch(/--points is '1'; expected a whole number ≥ 2/);
    expect(await failureOf('search', ...rest, '--calibration', '9')).toMatch(
      /there are 16 texts; expected at least 18/,
    );
    expect(await failureOf('search', '--data', data, '--latency-ms', '9')).toMatch(/--out is missing/);
  });
});

describe('the curve', () => {
  const point = (kind: PointReport['kind'], latencyMs: number, accuracy: number, k?: number): PointReport => ({
    ...{ kind, dtype: 'float32', latencyMs, accuracy, metrics: { accuracy }, agreement: 1, logitError: 0 },
    ...(k !== undefined && { k }),
  });
  const qualityOf = ({ accuracy }: PointReport) => accuracy!;

  it('goes through what nothing is both faster and as good as', () => {
    const points = [point('searched', 30, 0.9), point('searched', 10, 0.8), point('searched', 20, 0.8)];
    expect(paretoFront(points, qualityOf).map(({ latencyMs }) => latencyMs)).toEqual([10, 30]);
  });

  it('is drawn with dense attention and uniform K as marks', () => {
    const points = [
      point('dense', 40, 0.9),
      point('uniform', 30, 0.85, 16),
      point('searched', 20, 0.8),
      point('searched', 30, 0.9),
    ];
    const options = { title: 'A & B', measure: 'accuracy', qualityOf, latencyMs: 25, notes: ['a note'] };
    const svg = paretoChart(points, options);
    expect(svg).toContain('<title>A &amp; B</title>');
    for (const text of ['K 16', 'dense', '--latency-ms 25', 'a note']) expect(svg).toContain(`>${text}</text>`);
    const [, line] = /<polyline class="line flashmla" points="([^"]*)"/.exec(svg)!;
    const circles = [...svg.matchAll(/<circle class="flashmla" cx="([\d.]+)" cy="([\d.]+)"/g)];
    expect(line).toBe(circles.map(([, x, y]) => `${x},${y}`).join(' '));
    expect(Number(circles[0]![1])).toBeLessThan(Number(circles[1]![1]));
    expect(Number(circles[0]![2])).toBeGreaterThan(Number(circles[1]![2]));
  });
});
