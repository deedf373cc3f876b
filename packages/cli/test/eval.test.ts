import { loadModel, type TextInput } from '@flashmla/model-swap';
import { describe, expect, it } from 'vitest';
import {
  filesOf,
  folderOf,
  tinyBert,
  withLanguageModel,
  withTokenClassifier,
} from '../../model-swap/test/support/tiny-models.ts';
import { failureOf, flashmla, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

interface EvalJson {
  task: string | null;
  truncated: number;
  results: {
    attention: string;
    gate: string | null;
    k: number | null;
    examples: number;
    accuracy: number | null;
    metrics: Record<string, number>;
    agreement: number | null;
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
    expect(results[0]).toMatchObject({ accuracy: 1, metrics: { accuracy: 1, f1: 1, matthews: 1 } });
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

  it('has no accuracy and no metrics for scores where the model gives labels, but all else', async () => {
    const file = await folder.write('scores.jsonl', lines([{ a: rows[0]!.text, b: rows[1]!.text, score: 4.5 }]));
    const args = ['eval', '--model', model, '--data', file, '--attention', 'dense'];
    const { results } = await flashmlaJson<EvalJson>(...args);
    expect(results).toEqual([expect.objectContaining({ accuracy: null, metrics: {}, agreement: 1, examples: 1 })]);
    expect((await flashmla(...args)).stdout).toMatch(/dense +– +all +– +100\.00 %/);
  });

  it('prints a table', async () => {
    const file = await folder.write('rows.jsonl', lines(rows));
    const { stdout } = await flashmla('eval', '--model', model, '--data', file, '--attention', 'dense');
    expect(stdout).toMatch(/attention +gate +K +f1 +matthews +accuracy +as dense +recall +oracle +static +error/);
    expect(stdout).toMatch(/dense +– +all +1\.0000 +1\.0000 +100\.00 %/);
  });

  it.each([
    ['no label', { text: 'fine' }, /row\.jsonl:2 has no label and no score/],
    ['a score in its place', { text: 'fine', score: 3 }, /row\.jsonl:2 has a score; expected a label/],
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

  it('measures a model that labels words by the words that it read', async () => {
    const tiny = await folderOf(
      filesOf(withTokenClassifier(tinyBert(1, undefined, { 0: 'O', 1: 'B-FILM', 2: 'I-FILM' }))),
    );
    await using loaded = await loadModel(tiny, { backend: { require: 'cpu' } });
    const words = ['the', 'film', 'was', 'very', 'good'];
    const { tokenLabels } = await loaded.run([loaded.tokenizer.encodeWords(words)]);
    const said = tokenLabels![0]!.map(({ label }) => label);
    const other = loaded.labels.find((label) => label !== said[0])!;
    // One word of five is labelled otherwise; of the long text the model reads 46 words, all labelled as it says.
    const long = Array.from({ length: 60 }, () => 'film');
    const [longSaid] = (await loaded.run([loaded.tokenizer.encodeWords(long)])).tokenLabels!;
    const data = await folder.write(
      'words.jsonl',
      lines([
        { tokens: words, labels: [other, ...said.slice(1)] },
        { tokens: long, labels: long.map((_, word) => longSaid![word]?.label ?? 0) },
      ]),
    );
    const args = ['eval', '--model', tiny, '--data', data, '--k', '4', '--backend', 'cpu'];
    const { results, truncated } = await flashmlaJson<EvalJson>(...args);
    expect(truncated).toBe(1);
    expect(results.map(({ attention, examples }) => [attention, examples])).toEqual([
      ['dense', 2],
      ['sparse', 2],
    ]);
    expect(results[0]!.accuracy).toBeCloseTo(50 / 51, 12);
    expect(results[0]!.metrics).toEqual({ accuracy: results[0]!.accuracy, f1: expect.any(Number) });
    expect(results[1]!.agreement).toBeGreaterThan(0);
    expect(results[1]!.recall).toBeLessThan(1);
    expect(await failureOf(...args, '--task', 'sst2')).toMatch(
      /--task is 'sst2', .* this model labels words; leave it out/,
    );
    const texts = await folder.write('rows.jsonl', lines(rows));
    expect(await failureOf('eval', '--model', tiny, '--data', texts)).toMatch(
      /rows\.jsonl:1 has no labelled words .*expected \{ tokens, labels \}/,
    );
  });

  it('fails for a model that finds masked words', async () => {
    const tiny = await folderOf(filesOf(withLanguageModel(tinyBert())));
    const file = await folder.write('rows.jsonl', lines(rows));
    expect(await failureOf('eval', '--model', tiny, '--data', file)).toMatch(
      /this model has a head for masked-language-model; eval needs one that has labels or a score for a text, or labels for its words/,
    );
  });

  it('fails without data, without rows, and for a list of K that is none', async () => {
    expect(await failureOf('eval', '--model', model)).toMatch(/--data is missing/);
    const empty = await folder.write('empty.jsonl', '\n');
    expect(await failureOf('eval', '--model', model, '--data', empty)).toMatch(/empty\.jsonl has no rows/);
    expect(await failureOf('eval', '--model', model, '--data', empty, '--k', '16,two')).toMatch(/--k is 'two'/);
  });
});

const pairs = [
  ['the film was good', 'a good film', 'entailment'],
  ['the film was very very bad', 'not good', 'not_entailment'],
  ['good', 'the film was not bad', 'not_entailment'],
  // Longer than the 48 tokens that the model takes.
  ['the film was good and '.repeat(12), 'very '.repeat(30), 'entailment'],
] as const;

describe('flashmla eval on tasks', slow, () => {
  it("runs pairs of a GLUE folder as the model's tokenizer joins and cuts them", async () => {
    const tiny = await folderOf(filesOf(tinyBert(7, undefined, { 0: 'not_entailment', 1: 'entailment' })));
    const rte = ['index\tsentence1\tsentence2\tlabel', ...pairs.map((pair, index) => [index, ...pair].join('\t'))];
    const data = await folderOf({ 'dev.tsv': `${rte.join('\n')}\n` });
    const json = await flashmlaJson<EvalJson>('eval', '--model', tiny, '--data', data, '--k', '8');
    expect(json).toMatchObject({ task: 'rte', truncated: 1 });
    await using loaded = await loadModel(tiny);
    const { labels } = await loaded.run(pairs.map(([a, b]): TextInput => [a, b]));
    const accuracy = labels!.filter((label, index) => label === pairs[index]![2]).length / pairs.length;
    expect(json.results.map(({ attention }) => attention)).toEqual(['dense', 'sparse']);
    expect(json.results[0]).toMatchObject({ accuracy, metrics: { accuracy }, agreement: 1 });
    expect((await flashmla('eval', '--model', tiny, '--data', data, '--k', '8')).stdout).toMatch(
      /^4 examples of rte in float32 .*\n1 of them longer than the 48 tokens/,
    );
  });

  it('correlates scores with the output of a model that has one', async () => {
    const tiny = await folderOf(filesOf(tinyBert(8, undefined, { 0: 'score' })));
    const scored = await folder.write('pairs.jsonl', lines(pairs.map(([a, b], index) => ({ a, b, score: index }))));
    const args = ['eval', '--model', tiny, '--data', scored, '--k', '8'];
    const { task, results } = await flashmlaJson<EvalJson>(...args);
    expect(task).toBeNull();
    expect(await flashmlaJson<EvalJson>(...args, '--task', 'stsb')).toMatchObject({ task: 'stsb' });
    for (const { accuracy, agreement, metrics } of results) {
      expect({ accuracy, agreement }).toEqual({ accuracy: null, agreement: null });
      expect(Object.keys(metrics)).toEqual(['pearson', 'spearman']);
      for (const value of Object.values(metrics)) expect(Math.abs(value)).toBeLessThanOrEqual(1);
    }
    expect((await flashmla(...args)).stdout).toMatch(
      /pearson +spearman +accuracy +as dense.*\ndense +– +all +-?\d\.\d{4}/,
    );
  });

  it('has the metrics of the task that is named', async () => {
    const file = await folder.write('rows.jsonl', lines(rows.map(({ text, a, label }) => ({ a: text ?? a, label }))));
    const args = ['eval', '--model', model, '--data', file, '--attention', 'dense'];
    const imdb = await flashmlaJson<EvalJson>(...args, '--task', 'imdb');
    expect(imdb).toMatchObject({ task: 'imdb', truncated: 0, results: [{ accuracy: 1, metrics: { accuracy: 1 } }] });
    const labels = await folder.write('labels.jsonl', lines([rows[0]!, rows[1]!]));
    const cola = ['eval', '--model', model, '--data', labels, '--attention', 'dense', '--task', 'cola'];
    expect(await flashmlaJson<EvalJson>(...cola)).toMatchObject({
      results: [{ accuracy: 1, metrics: { matthews: 1 } }],
    });
  });

  it('fails for a task that is none, and one that the model or the data is not made for', async () => {
    const file = await folder.write('rows.jsonl', lines(rows));
    const args = ['eval', '--model', model, '--data', file, '--task'];
    expect(await failureOf(...args, 'sst3')).toMatch(/--task is 'sst3'; expected one of sst2, cola/);
    expect(await failureOf(...args, 'rte')).toMatch(/rows\.jsonl:1 has one text; rte is about two/);
    const scored = await folder.write('scored.jsonl', lines([{ a: 'x', b: 'y', score: 1 }]));
    expect(await failureOf('eval', '--model', model, '--data', scored, '--task', 'stsb')).toMatch(
      /the model has 2 labels; stsb takes one output/,
    );
  });
});
