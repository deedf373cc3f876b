import { loadModel } from '@flashmla/model-swap';
import { describe, expect, it } from 'vitest';
import {
  filesOf,
  folderOf,
  SIZES,
  tinyBert,
  withLanguageModel,
  withTokenClassifier,
} from '../../model-swap/test/support/tiny-models.ts';
import { failureOf, flashmla, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

interface RunJson {
  backend: string;
  attention: string;
  k: number | null;
  results: {
    tokens: number;
    label: string | null;
    score: number | null;
    logits: number[];
    tokenLabels?: { token: string; word: number; label: string; score: number }[];
    masks?: { index: number; candidates: { token: string; score: number }[] }[];
    elapsedMs: number;
    k: number | null;
    density: number;
  }[];
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

describe('flashmla run, by head', slow, () => {
  it('gives the score of pairs where the model has one label', async () => {
    const tiny = await folderOf(filesOf(tinyBert(5, SIZES, { 0: 'similarity' })));
    const pairs = [
      { a: 'a good film', b: 'the film was good' },
      { a: 'a good film', b: 'the film was very bad' },
    ];
    const file = await folder.write('pairs.jsonl', pairs.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const args = ['run', '--model', tiny, '--jsonl', file, '--attention', 'dense'];
    const { results } = await flashmlaJson<RunJson>(...args);
    await using loaded = await loadModel(tiny);
    const { scores } = await loaded.run(pairs.map(({ a, b }) => [a, b] as const));
    for (const [index, { label, score, logits }] of results.entries()) {
      expect({ label, logits }).toEqual({ label: null, logits: [score] });
      expect(score).toBeCloseTo(scores![index]!, 4);
    }
    expect((await flashmla(...args)).stdout).toMatch(
      /tokens +score +time.*\n +10 +-?\d+\.\d{4} .*a good film \/ the film/,
    );
  });

  it('labels the words of a text, given as a text or by its words', async () => {
    const tiny = await folderOf(filesOf(withTokenClassifier(tinyBert())));
    const rows = [{ text: 'a goodly film' }, { tokens: ['a', 'good,', 'filming'] }];
    const file = await folder.write('words.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const args = ['run', '--model', tiny, '--jsonl', file, '--attention', 'dense'];
    const { results } = await flashmlaJson<RunJson>(...args);
    expect(results.map(({ label, score, logits }) => ({ label, score, logits }))).toEqual(
      rows.map(() => ({ label: null, score: null, logits: [] })),
    );
    const words = results.map(({ tokenLabels }) => tokenLabels!.map(({ token, word }) => `${word} ${token}`));
    expect(words).toEqual([
      ['0 a', '1 good', '1 ##ly', '2 film'],
      ['0 a', '1 good', '1 ,', '2 film', '2 ##ing'],
    ]);
    const first = results[0]!.tokenLabels![1]!;
    const { stdout } = await flashmla(...args);
    expect(stdout).toMatch(new RegExp(`1 +goodly +${first.label} +${(100 * first.score).toFixed(1)} %`));
    expect(stdout).toMatch(/2 +filming +(negative|neutral|positive)/);
  });

  it('finds what is behind masks', async () => {
    const tiny = await folderOf(filesOf(withLanguageModel(tinyBert())));
    const args = ['run', '--model', tiny, '--attention', 'dense', '--text'];
    const { results } = await flashmlaJson<RunJson>(...args, 'a [MASK] film and a [MASK]', '--top', '2');
    const [{ masks, logits }] = results as [RunJson['results'][number]];
    expect(logits).toEqual([]);
    expect(masks!.map(({ index, candidates }) => [index, candidates.length])).toEqual([
      [2, 2],
      [6, 2],
    ]);
    const [best, next] = masks![0]!.candidates;
    expect(best!.score).toBeGreaterThan(next!.score);
    const { stdout } = await flashmla(...args, 'a [MASK] film');
    expect(stdout).toMatch(/text +token +behind the mask\n +1 +2 +\S+ \d+\.\d %, \S+ \d+\.\d %,/);
    expect(await failureOf(...args, 'a film')).toMatch(/no text has a mask .*write \[MASK\]/);
    expect(await failureOf(...args, 'a [MASK]', '--top', '0')).toMatch(/--top is '0'; expected a whole number ≥ 1/);
  });

  it('fails for words that are none', async () => {
    const file = await folder.write('words.jsonl', '{ "tokens": ["a", 1] }\n');
    expect(await failureOf('run', '--model', model, '--jsonl', file)).toMatch(
      /words\.jsonl:1: tokens is \["a",1\]; expected a list of words/,
    );
  });
});
