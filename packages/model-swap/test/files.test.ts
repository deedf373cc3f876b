import { pathToFileURL } from 'node:url';
import type { ByteSource } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { type ModelSource, openFolder } from '../src/files/model-folder.ts';
import { readJson, requireJson } from '../src/files/text-file.ts';
import { byRanges, serve, whole } from './support/serve.ts';
import { folderOf } from './support/tiny-models.ts';

const BIG = Uint8Array.from({ length: 9_000_000 }, (_, i) => (i * 31) % 251);
const FILES = { 'config.json': new TextEncoder().encode('{"model_type":"bert"}'), 'model.safetensors': BIG };

async function checkFolder(source: ModelSource): Promise<void> {
  const folder = openFolder(source);
  expect(await readJson(folder, 'config.json')).toEqual({ model_type: 'bert' });
  expect(await folder.open('tokenizer.json')).toBeUndefined();
  const weights = (await folder.open('model.safetensors')) as ByteSource;
  expect(weights.byteLength).toBe(BIG.length);
  for (const [offset, length] of [
    [0, 8],
    [8, 100],
    [4_194_300, 20],
    [8_999_000, 1000],
    [100, 8_000_000],
    [3, 5],
  ] as const) {
    const expected = BIG.subarray(offset, offset + length);
    expect(Buffer.compare(await weights.read(offset, length), expected), `${length} bytes at ${offset}`).toBe(0);
  }
}

describe('openFolder', () => {
  it('reads a folder on the disk, by path and by file: URL', async () => {
    const path = await folderOf(FILES);
    await checkFolder(path);
    await checkFolder(pathToFileURL(path).href);
    await checkFolder(pathToFileURL(path));
  });

  it('reads bytes, Blobs and sources in memory', async () => {
    const source: ByteSource = {
      byteLength: BIG.length,
      read: async (offset, length) => BIG.slice(offset, offset + length),
    };
    await checkFolder({ 'config.json': new Blob([FILES['config.json']]), 'model.safetensors': source });
    await checkFolder({ ...FILES, 'model.safetensors': new Blob([BIG]) });
    await checkFolder(FILES);
  });

  it('reads files that are given by their URLs', async () => {
    const { url, requests } = await serve(FILES, byRanges);
    const folder = pathToFileURL(`${await folderOf(FILES)}/`);
    const inlined = `data:application/json;base64,${Buffer.from(FILES['config.json']).toString('base64')}`;
    await checkFolder({
      'config.json': new URL('config.json', folder),
      'model.safetensors': new URL('model.safetensors', folder),
    });
    await checkFolder({ 'config.json': new URL(inlined), 'model.safetensors': new URL(`${url}/model.safetensors`) });
    expect(requests.filter((request) => request.endsWith('whole'))).toEqual([]);
  });

  it('names a URL at which there is no file', async () => {
    const { url } = await serve(FILES, byRanges);
    const onDisk = pathToFileURL(`${await folderOf(FILES)}/none.json`);
    for (const missing of [new URL(`${url}/none.json`), onDisk]) {
      await expect(openFolder({ 'gates.json': missing }).open('gates.json')).rejects.toThrow(
        `[model-swap] gates.json: there is no file at ${missing.href}; check the address`,
      );
    }
  });

  it('reads a URL by ranges where the server has them, a few megabytes at a time', async () => {
    const { url, requests } = await serve(FILES, byRanges);
    await checkFolder(url);
    expect(requests.filter((request) => request.endsWith('whole'))).toEqual([]);
    expect(requests.length).toBeLessThan(10);
  });

  it('reads whole files where it does not', async () => {
    const { url, requests } = await serve(FILES, whole);
    await checkFolder(`${url}/`);
    expect(requests.filter((request) => request.startsWith('model.safetensors'))).toHaveLength(1);
  });

  it('reads whole files where the server hides their size', async () => {
    const { url } = await serve(FILES, (request, response, bytes) => {
      if (request.headers.range) response.writeHead(206).end(bytes.subarray(0, 10));
      else response.end(bytes);
    });
    await checkFolder(url);
  });

  it('says what went wrong with a URL', async () => {
    const { url } = await serve(FILES, (_, response) => response.writeHead(503, 'Service Unavailable').end());
    await expect(openFolder(url).open('config.json')).rejects.toThrow(
      `[model-swap] ${url}/config.json can't be fetched: 503 Service Unavailable`,
    );
    await expect(openFolder('http://127.0.0.1:1/model').open('config.json')).rejects.toThrow("can't be fetched");
    const reason = new Error('no longer wanted');
    await expect(openFolder(url, AbortSignal.abort(reason)).open('config.json')).rejects.toBe(reason);
  });

  it('names the file that is missing or is not JSON', async () => {
    const folder = openFolder({
      'config.json': new TextEncoder().encode('{"model_type":'),
      'a.json': new TextEncoder().encode('[]'),
    });
    await expect(readJson(folder, 'config.json')).rejects.toThrow(/\[model-swap\] config\.json: .* not JSON/);
    await expect(readJson(folder, 'a.json')).rejects.toThrow(
      '[model-swap] a.json: the file in the given files is not a JSON object',
    );
    await expect(requireJson(folder, 'tokenizer.json', 'save it.')).rejects.toThrow(
      '[model-swap] tokenizer.json: there is no such file in the given files; save it.',
    );
    expect(() => openFolder(undefined as never)).toThrow('the model source is undefined');
  });
});
