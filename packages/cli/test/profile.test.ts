import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChromeTrace, OpSummary, Roofline } from '@flashmla/backend';
import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

interface ProfileJson {
  backend: string;
  device: string;
  attention: string;
  k: number | null;
  tokens: number;
  timing: { source: string; description: string };
  roofline: Roofline;
  wallMs: number;
  opsMs: number;
  ops: OpSummary[];
}

const folder = useFolder();
const onCpu = ['--backend', 'cpu'];
const opsOf = ({ ops }: ProfileJson) => new Set(ops.map(({ op }) => op));

describe('flashmla profile', slow, () => {
  it('times the ops of a dense pass, and writes its trace', async () => {
    const trace = join(folder.path(), 'trace.json');
    const args = [
      '--model',
      model,
      '--tokens',
      '200',
      '--attention',
      'dense',
      '--threads',
      '2',
      '--trace',
      trace,
      ...onCpu,
    ];
    const json = await flashmlaJson<ProfileJson>('profile', ...args);
    expect(json).toMatchObject({
      backend: 'cpu',
      attention: 'dense',
      k: null,
      tokens: 200,
      timing: { source: 'threads' },
    });
    expect(json.device).toContain('2 threads');
    expect(opsOf(json)).toEqual(new Set(['linear', 'layer-norm', 'embedding', 'dense-attention']));
    expect(json.roofline.flopsPerSecond).toBeGreaterThan(0);
    expect(json.wallMs).toBeGreaterThanOrEqual(json.opsMs);
    expect(json.ops.reduce((sum, { totalMs }) => sum + totalMs, 0)).toBeCloseTo(json.opsMs);
    expect(json.ops.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(json.ops.map(({ totalMs }) => totalMs)).toEqual(
      json.ops.map(({ totalMs }) => totalMs).toSorted((a, b) => b - a),
    );
    // Attention of three layers of four heads of 64, and of the one token that is read of the last.
    const [attention, last] = json.ops
      .filter(({ op }) => op === 'dense-attention')
      .toSorted((a, b) => b.flops - a.flops) as [OpSummary, OpSummary];
    expect(attention).toMatchObject({ calls: 3, flops: 3 * 4 * 4 * 200 * 200 * 64 });
    expect(last).toMatchObject({ calls: 1, flops: 4 * 4 * 200 * 64 });
    expect(attention.balance).toBeGreaterThan(0);
    expect(attention.rooflineShare).toBeGreaterThan(0);

    const { traceEvents } = JSON.parse(await readFile(trace, 'utf8')) as ChromeTrace;
    const calls = json.ops.reduce((sum, op) => sum + op.calls, 0);
    expect(traceEvents.filter(({ cat }) => cat === 'op')).toHaveLength(calls);
    expect(readdirSync(folder.path()).filter((name) => name.startsWith('trace.json'))).toEqual(['trace.json']);
  });

  it('times the ops of a sparse pass, its gates fitted before', async () => {
    const json = await flashmlaJson<ProfileJson>('profile', '--model', model, '--tokens', '150', '--k', '24', ...onCpu);
    expect(json).toMatchObject({ attention: 'sparse', k: 24, tokens: 150 });
    const kinds = opsOf(json);
    for (const op of ['gate-projection', 'content-order', 'select-top-k', 'sparse-attention'] as const) {
      expect(kinds).toContain(op);
    }
    // The one token that is read of the last layer attends to all keys.
    const dense = json.ops.filter(({ op }) => op === 'dense-attention');
    expect(dense.map(({ calls }) => calls)).toEqual([1]);
  });

  it('prints a table with the roofline and what no op explains', async () => {
    const file = await folder.write('text.txt', 'A warm, funny and beautifully acted film.');
    const { code, stdout, stderr } = await flashmla('profile', '--model', model, '--file', file, ...onCpu);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // K covers so short a text.
    expect(stdout).toMatch(/^dense attention, \d+ tokens, on cpu: /);
    expect(stdout).toMatch(/^op +first input → output +calls +time +share .* of roofline +density +balance$/m);
    expect(stdout).toMatch(/^Ops: [\d.]+ ms of [\d.]+ ms, [\d.]+ %/m);
    expect(stdout).toMatch(/^Roofline: [\d.]+ GFLOP\/s, [\d.]+ GB\/s/m);
    expect(stdout).toMatch(/^Timed by the clocks of the computing threads/m);
  });

  it('says when the model takes less', async () => {
    const { stdout } = await flashmla('profile', '--model', model, '--tokens', '100000', '--k', '16');
    expect(stdout).toMatch(/4096 tokens, the most this model takes \(100000 were asked for\)/);
  });

  it.each([
    ['no text', [], /there is no text; give one of --tokens N, --text T, --file F/],
    ['two texts', ['--tokens', '8', '--text', 'fine'], /more than one source of texts/],
    ['a length that is none', ['--tokens', 'many'], /--tokens is 'many'/],
    [
      'K for dense attention',
      ['--tokens', '8', '--attention', 'dense', '--k', '8'],
      /--k was given with --attention dense/,
    ],
    [
      'a trace that can not be written',
      ['--text', 'fine', '--trace', '/no/such/folder/t.json'],
      /t\.json can't be written/,
    ],
  ])('fails for %s', async (_, args, line) => {
    expect(await failureOf('profile', '--model', model, ...args)).toMatch(line);
    expect(existsSync('/no/such/folder')).toBe(false);
  });
});
