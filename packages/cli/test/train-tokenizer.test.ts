import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, slow, useFolder } from './support/cli.ts';

const folder = useFolder();
const plain = 'the film was good\r\n\nthe film was bad\nThe end';
const rows = '{"text":"was it good","label":1}\n\n{"a":"the one","b":"the other"}\n';
const read = async (...path: string[]) => JSON.parse(await readFile(join(folder.path(), ...path), 'utf8'));

describe('flashmla train-tokenizer', slow, () => {
  it('writes a vocabulary of the texts of all files', async () => {
    const data = ['--data', await folder.write('a.txt', plain), '--data', await folder.write('b.jsonl', rows)];
    const out = join(folder.path(), 'new', 'model');
    const args = ['train-tokenizer', ...data, '--vocabulary', '100', '--out', out];
    const { vocabularySize, ...counts } = await flashmlaJson<Record<string, number>>(...args);
    // 4 + 4 + 2 words in the lines of a.txt; 3, and 2 + 2 of a pair, in b.jsonl.
    expect(counts).toEqual({ texts: 6, words: 17, distinctWords: 9, elapsedMs: expect.any(Number) });
    expect((await readdir(out)).sort()).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    const { model, normalizer } = await read('new', 'model', 'tokenizer.json');
    expect(Object.keys(model.vocab)).toHaveLength(vocabularySize!);
    expect(model.vocab).toMatchObject({ '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, '[MASK]': 4 });
    expect(Object.keys(model.vocab)).toEqual(expect.arrayContaining(['the', 'film', 'was', 'good']));
    expect(model.vocab).not.toHaveProperty('bad');
    expect(normalizer).toMatchObject({ type: 'BertNormalizer', lowercase: true });
    expect(await read('new', 'model', 'tokenizer_config.json')).toMatchObject({ do_lower_case: true });
    expect((await flashmla(...args)).stdout).toMatch(
      /^\d+ pieces, for want of frequent pairs not 100, from 6 texts of 17 words, 9 of them different, in /,
    );
  });

  it('keeps case, and what else is in the folder', async () => {
    const out = join(folder.path(), 'cased');
    await mkdir(out);
    await folder.write(join('cased', 'config.json'), '{}');
    const data = await folder.write('a.txt', plain);
    const cased = ['--cased', '--min-frequency', '1'];
    await flashmlaJson('train-tokenizer', '--data', data, '--vocabulary', '100', '--out', out, ...cased);
    const { model } = await read('cased', 'tokenizer.json');
    expect(Object.keys(model.vocab)).toEqual(expect.arrayContaining(['The', 'the', 'bad', 'end']));
    expect(await read('cased', 'tokenizer_config.json')).toMatchObject({ do_lower_case: false });
    expect((await readdir(out)).sort()).toEqual(['config.json', 'tokenizer.json', 'tokenizer_config.json']);
  });

  it('names what is wrong, and then writes nothing', async () => {
    const out = join(folder.path(), 'none');
    const failure = (...args: string[]) => failureOf('train-tokenizer', ...args);
    const good = await folder.write('good.jsonl', rows);
    const rest = ['--vocabulary', '100', '--out', out];
    const given = async (name: string, text: string) =>
      failure('--data', good, '--data', await folder.write(name, text), ...rest);
    expect(await given('bad.jsonl', `${rows}{"text":7}\n`)).toMatch(/bad\.jsonl:4 has no text \(its fields: text\)/);
    expect(await given('bad.jsonl', `${rows}the film\n`)).toMatch(/bad\.jsonl:4 is not JSON/);
    expect(await given('empty.txt', '\n \n')).toMatch(/empty\.txt has no texts; expected one a line/);
    expect(await failure('--data', join(folder.path(), 'no.txt'), ...rest)).toMatch(
      /no\.txt can't be read: there is no/,
    );
    expect(await failure('--data', folder.path(), ...rest)).toMatch(/can't be read: it is a folder/);
    expect(await failure('--data', good, '--vocabulary', '12', '--out', out)).toMatch(/vocabularySize is 12; the char/);
    expect(await failure('--data', good, '--out', out)).toMatch(/--vocabulary is missing/);
    expect(await failure('--data', good, '--vocabulary', '100')).toMatch(/--out is missing/);
    expect(await failure(...rest)).toMatch(/--data is missing/);
    await expect(stat(out)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await failure('--data', good, '--vocabulary', '100', '--out', join(good, 'x'))).toMatch(/can't be made/);
  });
});
