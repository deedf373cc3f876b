import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

interface RunJson {
  backend: string;
  attention: string;
  k: number | null;
  results: { tokens: number; label: string; logits: number[]; elapsedMs: number; k: number | null; density: number }[];
}

const good = 'A warm, funny and beautifully acted film. I enjoyed every minute of it.';
const bad = 'A dull, clumsy and badly acted film. I hated every minute of it.';
const folder = useFolder();

describe('flashmla run', slow, () => {
  it('labels a text with sparse attention', async () => {
    const json = await flashmlaJson<RunJson>('run', '--model', model, '--text', good, '--backend', 'cpu');
    expect(json).toMatchObject({ backend: 'cpu', attention: 'sparse', k: 16, results: [{ label: 'positive' }] });
    const [result] = json.results;
    expect(result!.tokens).toBeGreaterThan(10);
    expect(result!.logits).toHaveLength(2);
    expect(result!.elapsedMs).toBeGreaterThan(0);
  });

  it('takes rows of texts, and the shipped model when none is named', async () => {
    const file = await folder.write(
      'texts.jsonl',
      `${JSON.stringify({ text: good })}\n\n${JSON.stringify({ a: bad })}\n`,
    );
    const { results } = await flashmlaJson<RunJson>('run', '--jsonl', file, '--attention', 'dense', '--threads', '1');
    expect(results.map(({ label }) => label)).toEqual(['positive', 'negative']);
    for (const { density, k } of results) expect({ density, k }).toEqual({ density: 1, k: null });
  });

  it('takes a file as the text, K and a crossover, and gives nearly the logits of dense attention', async () => {
    const file = await folder.write('long.txt', `${good} `.repeat(20));
    const source = ['run', '--model', model, '--file', file, '--backend', 'cpu'];
    const sparse = await flashmlaJson<RunJson>(...source, '--k', '32', '--crossover', '0', '--gate', 'content');
    const dense = await flashmlaJson<RunJson>(...source, '--attention', 'dense');
    expect(sparse).toMatchObject({ attention: 'sparse', k: 32, results: [{ k: 32 }] });
    expect(dense).toMatchObject({ attention: 'dense', k: null });
    expect(sparse.results[0]!.density).toBeLessThan(0.5);
    expect(sparse.results[0]!.tokens).toBe(dense.results[0]!.tokens);
    for (const [label, logit] of dense.results[0]!.logits.entries()) {
      expect(Math.abs(sparse.results[0]!.logits[label]! - logit)).toBeLessThan(0.5);
    }
  });

  it('prints a table', async () => {
    const { code, stdout, stderr } = await flashmla('run', '--model', model, '--text', good);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/tokens +label +confidence +time +K/);
    expect(stdout).toMatch(/positive +\d+\.\d %/);
  });

  it.each([
    ['a model folder that is not there', ['--model', '/no/such/folder', '--text', good], /no\/such\/folder/],
    ['no text', ['--model', model], /--text T, --file F, --jsonl F/],
    ['two sources of texts', ['--text', good, '--file', 'x'], /more than one source/],
    ['a file that is not there', ['--file', '/no/such/file'], /\/no\/such\/file .* no such file/],
    ['a K that is none', ['--text', good, '--k', '0'], /--k is '0'; expected a whole number ≥ 1/],
    ['a gate that is none', ['--text', good, '--gate', 'garden'], /--gate is 'garden'; expected one of content/],
    ['K for dense attention', ['--text', good, '--k', '8', '--attention', 'dense'], /--k .* dense/],
    [
      'a dtype that is none',
      ['--text', good, '--dtype', 'float8'],
      /--dtype is 'float8'; expected one of float32, float16, bfloat16/,
    ],
    [
      'a dtype that no backend here has',
      ['--text', good, '--dtype', 'float16'],
      /dtype is 'float16', and no backend here computes in it.+ leave dtype out for float32.+cpu: does not compute in float16/,
    ],
    ['a backend that is not available', ['--text', good, '--backend', 'webgl'], /'webgl' was required.*webgl: /],
  ])('fails for %s', async (_, args, line) => {
    expect(await failureOf('run', ...args)).toMatch(line);
  });

  it('names file and line of a row that is no JSON', async () => {
    const file = await folder.write('bad.jsonl', `${JSON.stringify({ text: good })}\n{ "text": \n`);
    expect(await failureOf('run', '--jsonl', file)).toContain('bad.jsonl:2 is not JSON');
  });
});
