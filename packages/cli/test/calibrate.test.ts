import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BudgetReport, HeadCalibration } from '@flashmla/gating';
import { describe, expect, it } from 'vitest';
import { failureOf, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

const folder = useFolder();
const sentences = [
  'the film begins slowly and ends in a storm',
  'nobody in the village believed what the ferryman had seen',
  'the actors are wonderful , the music is not',
  'i would not watch it again , not even for money',
  'a clever script that trusts its audience',
];
/** Texts of some sixty tokens, none like another. */
const texts = Array.from({ length: 6 }, (_, text) =>
  Array.from({ length: 6 }, (_, i) => sentences[(text * i + i + text) % sentences.length]).join(' . '),
);

describe('flashmla calibrate', slow, () => {
  it('writes gates that the model takes from its folder', async () => {
    const data = await folder.write('texts.jsonl', texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
    const out = join(folder.path(), 'own', 'model');
    await mkdir(out, { recursive: true });
    for (const name of await readdir(model))
      if (!name.startsWith('gates')) await copyFile(join(model, name), join(out, name));
    const common = ['--model', out, '--data', data, '--k', '16', '--backend', 'cpu'];
    const run = ['--out', out, '--gate', 'slot', '--steps', '50', '--seed', '7'];
    interface Calibrated {
      gate: string;
      texts: number;
      heldOut: number;
      layers: HeadCalibration[];
    }
    const { layers, ...rest } = await flashmlaJson<Calibrated>('calibrate', ...common, ...run);
    expect(rest).toMatchObject({ backend: 'cpu', gate: 'slot', k: 16, texts: 5, heldOut: 1 });
    expect(layers).toHaveLength(16);
    const mean = (which: 'recallBefore' | 'recallAfter') => layers.reduce((sum, head) => sum + head[which], 0) / 16;
    expect(mean('recallAfter')).toBeGreaterThan(mean('recallBefore'));
    expect((await readdir(out)).filter((name) => /gates|calibration/.test(name)).sort()).toEqual([
      'gates.json',
      'gates.safetensors',
    ]);
    // A row of its own for the label, which eval wants.
    const labelled = await folder.write(
      'labelled.jsonl',
      texts.map((text) => `${JSON.stringify({ text, label: 0 })}\n`).join(''),
    );
    const evaluated = ['--model', out, '--data', labelled, '--k', '16', '--gate', 'slot', '--attention', 'sparse'];
    const { results } = await flashmlaJson<{ results: { recall: number }[] }>('eval', ...evaluated);
    expect(results[0]!.recall).toBeGreaterThan(mean('recallBefore'));
  });

  it('spreads a budget over the heads, and the model takes it from its folder', async () => {
    const data = await folder.write('texts.jsonl', texts.map((text) => `${JSON.stringify({ text })}\n`).join(''));
    const out = join(folder.path(), 'spread');
    const run = ['--model', model, '--data', data, '--out', out, '--k', '16', '--steps', '1', '--backend', 'cpu'];
    const { budget } = await flashmlaJson<{ budget: BudgetReport }>('calibrate', ...run, '--budget', 'mean-k=8');
    expect(budget).toMatchObject({ meanK: 8 });
    expect(budget.heads).toHaveLength(16);
    expect(budget.heads.reduce((sum, { k }) => sum + k, 0)).toBeLessThanOrEqual(8 * 16);
    const { layers } = JSON.parse(await readFile(join(out, 'gates.json'), 'utf8')) as {
      layers: Record<string, { shares?: number[] }>;
    };
    const shares = Object.values(layers).flatMap((layer) => layer.shares ?? []);
    expect(shares.map((share) => Math.max(1, Math.round(8 * share)))).toEqual(
      budget.kept ? budget.heads.map(({ k }) => k) : [],
    );
    expect(await failureOf('calibrate', ...run, '--budget', '32')).toMatch(/--budget is '32'; expected mean-k=K/);
    expect(await failureOf('calibrate', ...run, '--gate', 'slot', '--budget', 'mean-k=16')).toMatch(/slot gate/);
  });

  it('fails for a gate that does not learn, without data or a folder, and for one that can not be made', async () => {
    const data = await folder.write('two.jsonl', '{"text":"one"}\n{"text":"two"}\n');
    const out = join(folder.path(), 'out');
    expect(await failureOf('calibrate', '--data', data, '--out', out, '--gate', 'oracle')).toMatch(
      /--gate is 'oracle'/,
    );
    expect(await failureOf('calibrate', '--out', out)).toMatch(/--data is missing/);
    expect(await failureOf('calibrate', '--data', data)).toMatch(/--out is missing/);
    await writeFile(join(folder.path(), 'file'), '');
    expect(await failureOf('calibrate', '--data', data, '--out', join(folder.path(), 'file', 'x'))).toMatch(
      /--out .*x can't be made/,
    );
    expect(await failureOf('calibrate', '--model', model, '--data', data, '--out', out, '--backend', 'cpu')).toMatch(
      /0 of 2 texts have more tokens than the gate of layer 0 selects keys/,
    );
  });
});
