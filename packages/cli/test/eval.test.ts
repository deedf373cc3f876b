import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

interface EvalJson {
  results: {
    attention: string;
    gate: string | null;
    k: number | null;
    examples: number;
    accuracy: number;
    agreement: number;
    recall: number;
    error: number;
    measuredExamples: number;
  }[];
}

const rows = [
  { text: 'a warm , funny and beautifully acted film that i enjoyed from the first minute to the last', label: 1 },
  { text: 'a dull , clumsy and badly acted film that bored me from the first minute to the last', label: 0 },
  { a: 'the best comedy of the year , with wonderful actors and a delightful and clever story', label: 'positive' },
  { a: 'a waste of time', label: 'negative' },
];
const lines = (all: readonly object[]) => all.map((row) => `${JSON.stringify(row)}\n`).join('');
const folder = useFolder();

describe('flashmla eval', slow, () => {
  it('compares dense with sparse attention at several K', async () => {
    const file = await folder.write('rows.jsonl', lines(rows));
    const { results } = await flashmlaJson<EvalJson>('eval', '--model', model, '--data', file, '--k', '4,8');
    const fixed = { examples: 4, measuredExamples: 4 };
    expect(results).toEqual([
      expect.objectContaining({ ...fixed, attention: 'dense', gate: null, k: null, agreement: 1, recall: 1, error: 0 }),
      expect.objectContaining({ ...fixed, attention: 'sparse', gate: 'content', k: 4 }),
      expect.objectContaining({ ...fixed, attention: 'sparse', gate: 'content', k: 8 }),
    ]);
    expect(results[0]!.accuracy).toBe(1);
    for (const { recall, error, accuracy, agreement } of results.slice(1)) {
      expect(recall).toBeGreaterThan(0.05);
      expect(recall).toBeLessThan(1);
      expect(error).toBeGreaterThan(0);
      expect(error).toBeLessThan(0.5);
      // Dense labels all of these rows rightly, so that the two shares are one.
      expect(accuracy).toBe(agreement);
    }
  });

  it('takes the first rows, one kind of attention and another gate', async () => {
    const file = await folder.write('rows.jsonl', lines(rows));
    const args = ['--limit', '2', '--attention', 'sparse', '--k', '100', '--gate', 'static'];
    const { results } = await flashmlaJson<EvalJson>('eval', '--model', model, '--data', file, ...args);
    // K covers these texts: sparse attention is dense, and says so.
    const same = { accuracy: 1, agreement: 1, recall: 1, error: 0 };
    expect(results).toEqual([expect.objectContaining({ gate: 'static', k: 100, examples: 2, ...same })]);
  });

  it('has no accuracy for rows with scores, but all else', async () => {
    const file = await folder.write('scores.jsonl', lines([{ a: rows[0]!.text, b: rows[1]!.text, score: 4.5 }]));
    const args = ['eval', '--model', model, '--data', file, '--attention', 'dense'];
    const { results } = await flashmlaJson<EvalJson>(...args);
    expect(results).toEqual([expect.objectContaining({ accuracy: null, agreement: 1, examples: 1 })]);
    expect((await flashmla(...args)).stdout).toMatch(/dense +– +all +– +100\.00 %/);
  });

  it('prints a table', async () => {
    const file = await folder.write('rows.jsonl', lines(rows));
    const { stdout } = await flashmla('eval', '--model', model, '--data', file, '--attention', 'dense');
    expect(stdout).toMatch(/attention +gate +K +accuracy +as dense +recall +error/);
    expect(stdout).toMatch(/dense +– +all +100\.00 %/);
  });

  it.each([
    ['no label', { text: 'fine' }, /row\.jsonl:2 has no label/],
    ['a score that is none', { text: 'fine', score: 'high' }, /row\.jsonl:2 has no label/],
    [
      'a label that the model does not have',
      { text: 'fine', label: 'neutral' },
      /"neutral"; .* 0 'negative', 1 'positive'/,
    ],
    ['a label past the last', { text: 'fine', label: 2 }, /row\.jsonl:2: label is 2/],
    ['no text', { review: 'fine', label: 1 }, /row\.jsonl:2 has no text \(its fields: review, label\)/],
    ['a second text that is none', { a: 'fine', b: 7, label: 1 }, /row\.jsonl:2: b is 7/],
  ])('fails for a row with %s', async (_, row, line) => {
    const file = await folder.write('row.jsonl', lines([rows[0]!, row]));
    expect(await failureOf('eval', '--model', model, '--data', file)).toMatch(line);
  });

  it('fails without data, without rows, and for a list of K that is none', async () => {
    expect(await failureOf('eval', '--model', model)).toMatch(/--data is missing/);
    const empty = await folder.write('empty.jsonl', '\n');
    expect(await failureOf('eval', '--model', model, '--data', empty)).toMatch(/empty\.jsonl has no rows/);
    expect(await failureOf('eval', '--model', model, '--data', empty, '--k', '16,two')).toMatch(/--k is 'two'/);
  });
});
