import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readDataset, readRows, readTexts, streamTexts, type TaskName, tasks } from '../src/index.ts';
import { folderOf } from './folder.ts';

const lines = (...all: readonly string[]) => `${all.join('\n')}\n`;
const row = (...cells: readonly string[]) => cells.join('\t');
const json = (...rows: readonly object[]) => lines(...rows.map((one) => JSON.stringify(one)));

async function reading(name: string, text: string, options: Parameters<typeof readDataset>[1] = {}) {
  return readDataset(join(await folderOf({ [name]: text }), name), options);
}

describe('readDataset, JSONL', () => {
  it('gives labels by number and by name, of one text and of two', async () => {
    const rows = [
      { text: 'x', label: 1 },
      { a: 'y', label: 'bad' },
      { a: 'y', b: 'z', label: 0 },
    ];
    const { task, examples } = await reading('rows.jsonl', json(...rows), { labels: ['bad', 'good'] });
    expect(task).toEqual({ labels: ['bad', 'good'], metrics: ['accuracy', 'f1', 'matthews'] });
    // Precision and correlation of one label against the other have no meaning among three.
    const three = await reading('rows.jsonl', json(...rows), { labels: ['bad', 'good', 'neither'] });
    expect(three.task.metrics).toEqual(['accuracy']);
    expect(examples).toEqual([
      { text: 'x', expected: 1 },
      { text: 'y', expected: 0 },
      { text: ['y', 'z'], expected: 0 },
    ]);
  });

  it('gives scores; they are correlated with the output of a model that has one', async () => {
    const rows = json({ a: 'x', b: 'y', score: 4.5 }, { a: 'x', b: 'z', score: -1 });
    const { task, examples } = await reading('rows.jsonl', rows, { labels: ['score'] });
    expect(task).toEqual({ metrics: ['pearson', 'spearman'] });
    expect(examples.map(({ expected }) => expected)).toEqual([4.5, -1]);
    expect((await reading('rows.jsonl', rows, { labels: ['bad', 'good'] })).task).toEqual({ metrics: [] });
  });

  it('reads the labels of a task as it numbers and names them, and the first rows only', async () => {
    const rows = json({ a: 'x', b: 'y', label: 1 }, { a: 'x', b: 'y', label: 'entailment' }, { nothing: 0 });
    const { task, examples } = await reading('rows.jsonl', rows, { task: 'rte', limit: 2 });
    expect(task).toBe(tasks.rte);
    expect(examples.map(({ expected }) => expected)).toEqual([1, 0]);
  });

  it.each<[string, object, TaskName | undefined, RegExp]>([
    ['no text', { review: 'x', label: 1 }, undefined, /has no text \(its fields: review, label\)/],
    ['a second text that is none', { a: 'x', b: 7, label: 1 }, undefined, /b is 7; expected the second text/],
    ['neither label nor score', { text: 'x' }, undefined, /has no label and no score/],
    ['another label', { text: 'x', label: 2 }, undefined, /label is 2; expected one of 0 'bad', 1 'good'/],
    ['a label that is a fraction', { text: 'x', label: 0.5 }, undefined, /label is 0\.5/],
    ['a score among labels', { text: 'x', score: 1 }, undefined, /has a score; expected a label, as the rows before/],
    ['a label where the task has scores', { a: 'x', b: 'y', label: 1 }, 'stsb', /a label; expected a score, as stsb/],
    [
      'a score that is none',
      { a: 'x', b: 'y', score: 'high' },
      'stsb',
      /score is "high"; expected a number from 0 to 5/,
    ],
    ['a score beyond the most', { a: 'x', b: 'y', score: 5.5 }, 'stsb', /score is 5\.5; expected a number from 0 to 5/],
    ['one text where the task has two', { a: 'x', label: 1 }, 'rte', /has one text; rte is about two, \{ a, b \}/],
    ['two texts where the task has one', { a: 'x', b: 'y', label: 1 }, 'sst2', /has two texts; sst2 is about one/],
  ])('fails for a row with %s, naming file and line', async (_, bad, task, message) => {
    const good = { stsb: { a: 'x', b: 'y', score: 1 }, rte: { a: 'x', b: 'y', label: 1 } };
    const first = good[task as keyof typeof good] ?? { text: 'x', label: 1 };
    const options = task ? { task } : { labels: ['bad', 'good'] };
    const promise = reading('rows.jsonl', json(first, bad), options);
    await expect(promise).rejects.toMatchObject({ code: 'invalid-file', message: expect.stringMatching(message) });
    await expect(promise).rejects.toThrow(/^\[evaluation\] .*rows\.jsonl:2/);
  });

  it.each([
    ['no rows', '\n', /rows\.jsonl has no rows/],
    ['a line that is no JSON', '{"text":', /rows\.jsonl:1 is not JSON/],
    ['a line that is no object', '["x"]', /rows\.jsonl:1 is \["x"\]; expected a JSON object/],
    [
      'labels for a model that gives a score',
      '{"text":"x","label":1}',
      /rows\.jsonl:1 has a label, and the model has no/,
    ],
  ])('fails for a file with %s', async (_, text, message) => {
    await expect(reading('rows.jsonl', text, { labels: ['score'] })).rejects.toThrow(message);
  });

  it('wants to know what the rows are about', async () => {
    await expect(reading('rows.jsonl', json({ text: 'x', label: 1 }))).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/give the task, or the names/),
    });
  });
});

const sts = [
  'index',
  'genre',
  'filename',
  'year',
  'old_index',
  'source1',
  'source2',
  'sentence1',
  'sentence2',
  'score',
];
const mrpc = row('\uFEFFQuality', '#1 ID', '#2 ID', '#1 String', '#2 String');

/** Files as the downloads have them, with texts of our own. */
const downloads: Readonly<Record<string, [file: string, text: string, examples: unknown]>> = {
  sst2: [
    'dev.tsv',
    lines(row('sentence', 'label'), row('a "fine" film ', '1'), row('"dull', '0')),
    [
      { text: 'a "fine" film ', expected: 1 },
      { text: '"dull', expected: 0 },
    ],
  ],
  cola: [
    'dev.tsv',
    lines(row('gj04', '1', '', 'We ate.'), row('gj04', '0', '*', 'Ate we the.')),
    [
      { text: 'We ate.', expected: 1 },
      { text: 'Ate we the.', expected: 0 },
    ],
  ],
  rte: [
    'dev.tsv',
    lines(row('index', 'sentence1', 'sentence2', 'label'), row('0', 'It rains.', 'It is wet.', 'entailment')),
    [{ text: ['It rains.', 'It is wet.'], expected: 0 }],
  ],
  qnli: [
    'dev.tsv',
    lines(row('index', 'question', 'sentence', 'label'), row('0', 'Who?', 'In May.', 'not_entailment')),
    [{ text: ['Who?', 'In May.'], expected: 1 }],
  ],
  stsb: [
    'dev.tsv',
    lines(
      row(...sts),
      row('0', 'main-captions', 'MSRvid', '2012test', '0000', 'none', 'none', 'A cat.', 'A dog.', '1.250'),
    ),
    [{ text: ['A cat.', 'A dog.'], expected: 1.25 }],
  ],
  mrpc: [
    'msr_paraphrase_test.txt',
    [mrpc, row('1', '10', '11', 'He "left', 'He went.'), ''].join('\r\n'),
    [{ text: ['He "left', 'He went.'], expected: 1 }],
  ],
};

describe('readDataset, GLUE as it is downloaded', () => {
  it.each(Object.entries(downloads))('tells %s by its file', async (name, [file, text, examples]) => {
    const folder = await folderOf({ [file]: text, 'test.tsv': row('index', 'sentence') });
    expect(await readDataset(folder)).toEqual({ task: tasks[name as TaskName], examples });
    expect(await readDataset(join(folder, file), { task: name as TaskName })).toMatchObject({ examples });
  });

  it('prefers dev.tsv, and takes the first rows', async () => {
    const [, text] = downloads.sst2!;
    const folder = await folderOf({ 'dev.tsv': text, 'msr_paraphrase_test.txt': 'x' });
    expect((await readDataset(`${folder}/`, { limit: 1 })).examples).toHaveLength(1);
  });

  it.each([
    ['columns of no task', row('index', 'sentence'), /dev\.tsv:1 has the columns index \| sentence, which no task/],
    ['a header alone', lines(row('sentence', 'label')), /dev\.tsv has no rows; expected sentence \| label/],
    ['a tab too many', lines(row('sentence', 'label'), row('x', 'y', '1')), /dev\.tsv:2 has 3 columns; sst2 has 2/],
    ['another label', lines(row('sentence', 'label'), row('x', '2')), /dev\.tsv:2: label is 2; expected one of 0/],
    ['no label', lines(row('sentence', 'label'), row('x', '')), /dev\.tsv:2: label is ""; expected one of 0/],
    [
      'a label of another task',
      lines(row('index', 'sentence1', 'sentence2', 'label'), row('0', 'x', 'y', 'maybe')),
      /dev\.tsv:2: label is "maybe"; expected one of 0 'entailment', 1 'not_entailment'/,
    ],
    [
      'a score that is none',
      lines(row(...sts), row(...sts)),
      /dev\.tsv:2: score is "score"; expected a number from 0 to 5/,
    ],
  ])('fails for a file with %s', async (_, text, message) => {
    await expect(readDataset(await folderOf({ 'dev.tsv': text }))).rejects.toMatchObject({
      code: 'invalid-file',
      message: expect.stringMatching(message),
    });
  });

  it('fails for a task that is not the one of the file, and for a folder without data', async () => {
    const folder = await folderOf({ 'dev.tsv': downloads.sst2![1] });
    await expect(readDataset(folder, { task: 'cola' })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/the task is 'cola', and .*dev\.tsv has the columns of sst2/),
    });
    await expect(readDataset(await folderOf({}))).rejects.toThrow(/has none of dev\.tsv, msr_paraphrase_test\.txt/);
    await expect(readDataset(`${folder}/none`)).rejects.toThrow(/none can't be read: there is no such file/);
  });
});

describe('streamTexts', () => {
  async function all(name: string, text: string | Uint8Array) {
    const folder = await folderOf({ [name]: text });
    const texts = [];
    for await (const one of streamTexts(join(folder, name))) texts.push(one);
    return texts;
  }

  it('gives the rows of JSONL, and the lines of a .txt file, without empty ones', async () => {
    expect(await all('x.jsonl', '{"text":"x","label":1}\n\n{"a":"y","b":"z"}')).toEqual(['x', ['y', 'z']]);
    expect(await all('x.txt', 'x\n \n{"a":1}\n')).toEqual(['x', '{"a":1}']);
  });

  it('reads lines that are longer than what is read at once, cut within a character', async () => {
    const texts = ['é'.repeat(100_000), `x${'é'.repeat(200_000)}`, 'end'];
    expect(await all('x.txt', texts.join('\n'))).toEqual(texts);
    expect(await all('x.txt', `${texts.join('\n')}\n`)).toEqual(texts);
  });

  it('reads no more than it is asked for', async () => {
    const folder = await folderOf({ 'x.jsonl': `{"text":"x"}\n${' \n'.repeat(100_000)}no JSON\n` });
    const texts = streamTexts(join(folder, 'x.jsonl'));
    expect(await texts.next()).toEqual({ value: 'x', done: false });
    expect(await texts.return()).toEqual({ value: undefined, done: true });
  });

  it.each([
    ['a row that is no JSON', 'x.jsonl', '{"text":"x"}\n\nx\n', /x\.jsonl:3 is not JSON/],
    ['a row without a text', 'x.jsonl', '{"text":"x"}\n{"label":1}\n', /x\.jsonl:2 has no text \(its fields: label\)/],
    ['a file without texts', 'x.jsonl', '\n\n', /x\.jsonl has no texts; expected one JSON object a line/],
    ['an empty .txt file', 'x.txt', '', /x\.txt has no texts; expected one a line/],
    ['no UTF-8', 'x.txt', new Uint8Array([0x61, 0xff, 0x0a]), /x\.txt can't be read: it is not UTF-8/],
    ['half a character at the end', 'x.txt', new Uint8Array([0x61, 0x0a, 0xc3]), /can't be read: it is not UTF-8/],
  ])('fails for %s', async (_, name, text, message) => {
    await expect(all(name, text)).rejects.toMatchObject({
      code: 'invalid-file',
      message: expect.stringMatching(message),
    });
    await expect(streamTexts('/no/such/file.txt').next()).rejects.toThrow(/there is no such file/);
  });
});

describe('readRows', () => {
  const names = ['none', 'place'];

  it('gives rows to be read field by field, the first ones', async () => {
    const rows = [{ text: 'x', label: 'place' }, { tokens: ['in', 'Rome'], labels: [0, 'place'] }, { text: 'y' }];
    const folder = await folderOf({ 'rows.jsonl': `\n${json(...rows)}` });
    const [first, second, ...others] = await readRows(join(folder, 'rows.jsonl'), { limit: 2 });
    expect([first!.text(), first!.label(names)]).toEqual(['x', 1]);
    expect(second!.words(names)).toEqual({ words: ['in', 'Rome'], labels: [0, 1] });
    expect(second!.tokens()).toEqual(['in', 'Rome']);
    expect(others).toEqual([]);
    const tsv = await folderOf({ 'train.tsv': lines(row('sentence', 'label'), row('fine', '1')) });
    expect((await readRows(join(tsv, 'train.tsv'))).map((one) => one.text())).toEqual(['fine']);
  });

  it.each([
    ['no words', { text: 'x', label: 0 }, /rows\.jsonl:1 has no labelled words \(its fields: text; label\)/],
    ['too few labels', { tokens: ['a', 'b'], labels: [0] }, /tokens, a list of 2; labels, a list of 1/],
    ['a word that is none', { tokens: [7], labels: [0] }, /has no labelled words/],
    [
      'a label that is none',
      { tokens: ['a'], labels: ['x'] },
      /rows\.jsonl:1: label is "x"; expected one of 0 'none', 1 /,
    ],
  ])('says where a row has %s', async (_, bad, message) => {
    const folder = await folderOf({ 'rows.jsonl': json(bad) });
    const [found] = await readRows(join(folder, 'rows.jsonl'));
    expect(() => found!.words(names)).toThrow(message);
  });

  it('raises for a line that is no row, or tells of it and goes on', async () => {
    const folder = await folderOf({ 'rows.jsonl': lines('{"text":"x"}', 'x', '[]', '{"text":"y"}') });
    const file = join(folder, 'rows.jsonl');
    await expect(readRows(file)).rejects.toThrow(/rows\.jsonl:2 is not JSON/);
    const told: unknown[] = [];
    const rows = await readRows(file, { badLine: (error) => told.push(error) });
    expect(rows.map((one) => one.text())).toEqual(['x', 'y']);
    expect(told.map(String)).toEqual([expect.stringContaining(':2 is not'), expect.stringContaining(':3 is []')]);
  });
});

describe('rows without answers', () => {
  const texts = json({ text: 'x' }, { a: 'y', b: 'z' });

  it('are read where they will do, all of them or none', async () => {
    const { task, examples } = await reading('texts.jsonl', texts, { labels: ['a', 'b'], unanswered: true });
    expect(task).toEqual({ metrics: [] });
    expect(examples).toEqual([
      { text: 'x', expected: Number.NaN },
      { text: ['y', 'z'], expected: Number.NaN },
    ]);
    const mixed = texts + json({ text: 'w', label: 0 });
    await expect(reading('mixed.jsonl', mixed, { labels: ['a', 'b'], unanswered: true })).rejects.toThrow(
      /mixed\.jsonl:1 has no label and no score/,
    );
    await expect(reading('texts.jsonl', texts, { labels: ['a', 'b'] })).rejects.toThrow(/has no label and no score/);
  });
});

describe('readTexts', () => {
  it('gives texts and pairs, whether they have labels or not', async () => {
    const folder = await folderOf({ 'x.jsonl': json({ text: 'x' }, { a: 'y', b: 'z', label: 7 }) });
    expect(await readTexts(join(folder, 'x.jsonl'))).toEqual(['x', ['y', 'z']]);
  });
});

const shared = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));
describe.skipIf(!existsSync(shared))('the data sets in ../shared (it is there)', () => {
  it.each<[TaskName, string, number, number]>([
    ['sst2', 'glue/sst2.dev.jsonl', 872, 444],
    // Two acceptable ones fewer than GLUE's own file has.
    ['cola', 'glue/cola.dev.jsonl', 1043, 719],
    ['rte', 'glue/rte.dev.jsonl', 277, 131],
    ['qnli', 'glue/qnli.dev.jsonl', 5463, 2761],
    ['mrpc', 'glue/mrpc.msrp_test_1725.jsonl', 1725, 1147],
    ['imdb', 'imdb/test1000.jsonl', 1000, 500],
  ])('all of %s is read, with so many labels 1', async (task, file, count, ones) => {
    const { examples } = await readDataset(shared + file, { task });
    expect(examples).toHaveLength(count);
    expect(examples.filter(({ expected }) => expected === 1)).toHaveLength(ones);
  });

  it('stsb has 1500 scores', async () => {
    expect((await readDataset(`${shared}glue/stsb.dev.jsonl`, { task: 'stsb' })).examples).toHaveLength(1500);
  });
});
