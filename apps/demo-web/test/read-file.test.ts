import { describe, expect, test } from 'vitest';
import { mostTextBytes, readFiles } from '../src/read-file.ts';

const file = (name: string, content: string | Uint8Array<ArrayBuffer>) => new File([content], name);

describe('a text', () => {
  test('is read without the white space around it', async () => {
    expect(await readFiles([file('a.txt', '\n Grüße \n')])).toEqual({ kind: 'text', name: 'a.txt', text: 'Grüße' });
  });

  test.each([
    ['binary', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 1), /b\.dat is no plain text in UTF-8; save it as such/],
    ['Latin-1', Uint8Array.of(0x47, 0x72, 0xfc), /no plain text in UTF-8/],
    ['empty', '', /b\.dat is empty/],
    ['white space', ' \n\t', /nothing but white space/],
    ['too large', new Uint8Array(mostTextBytes + 1).fill(97), /has 4\.0 MB; a text has at most 4 MB/],
  ])('that is %s is refused in one sentence', async (_what, content, message) => {
    await expect(readFiles([file('b.dat', content)])).rejects.toThrow(message);
  });

  test('must be one', async () => {
    await expect(readFiles([file('a', 'a'), file('b', 'b')])).rejects.toThrow(/2 files were given/);
    await expect(readFiles([])).rejects.toThrow(/Nothing was dropped/);
  });
});

describe('a model', () => {
  const names = ['config.json', 'tokenizer.json', 'model.safetensors'];

  test('is taken by its file names', async () => {
    const given = await readFiles(names.map((name) => file(name, '{}')));
    expect(given).toMatchObject({ kind: 'model', name: 'your model' });
    expect(given.kind === 'model' && Object.keys(given.files)).toEqual(names);
  });

  test.each(names)('says that %s is missing', async (missing) => {
    const rest = names.filter((name) => name !== missing).map((name) => file(name, '{}'));
    await expect(readFiles(rest)).rejects.toThrow(`A model needs ${missing} too`);
  });
});
