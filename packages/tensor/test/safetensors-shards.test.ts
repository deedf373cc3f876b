// Reading a model that lies in several safetensors files, by their index.

import { describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../src/safetensors/encode.ts';
import type { ByteSource } from '../src/safetensors/reader.ts';
import { openShardedSafetensors } from '../src/safetensors/sharded.ts';
import { bytesOf, counting, invalidFile, recorded } from './safetensors-files.ts';

describe('openShardedSafetensors', () => {
  const one = encodeSafetensors({ a: counting('float32', [2], 1), b: counting('int8', [3], 9) });
  const two = encodeSafetensors({ c: counting('float16', [4], 30) });
  const index = JSON.stringify({
    metadata: { total_size: 19 },
    weight_map: { a: 'one.safetensors', b: 'one.safetensors', c: 'two.safetensors' },
  });

  function folder(files: Record<string, Uint8Array>) {
    const opened: string[] = [];
    const openShard = async (fileName: string): Promise<ByteSource> => {
      opened.push(fileName);
      const bytes = files[fileName];
      if (!bytes) throw new Error(`ENOENT: ${fileName}`);
      return recorded(bytes);
    };
    return { opened, openShard };
  }

  it('opens a shard when a tensor of it is asked for, and only once', async () => {
    const { opened, openShard } = folder({ 'one.safetensors': one, 'two.safetensors': two });
    const reader = openShardedSafetensors(index, openShard);
    expect(reader.names).toEqual(['a', 'b', 'c']);
    expect(reader.shards).toEqual(['one.safetensors', 'two.safetensors']);
    expect(opened).toEqual([]);
    const [a, b] = await Promise.all([reader.read('a'), reader.read('b')]);
    expect(opened).toEqual(['one.safetensors']);
    expect([bytesOf(a), bytesOf(b)]).toEqual([Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(9, 10, 11)]);
    expect(await reader.info('c')).toMatchObject({ dtype: 'float16', shape: [4], byteLength: 8 });
    expect(opened).toEqual(['one.safetensors', 'two.safetensors']);
  });

  it('names the shard and the tensor when a shard is missing, and tries again when asked again', async () => {
    const files: Record<string, Uint8Array> = { 'one.safetensors': one };
    const { opened, openShard } = folder(files);
    const reader = openShardedSafetensors(index, openShard, 'bert.index.json');
    await expect(reader.read('c')).rejects.toThrow(
      invalidFile(
        /^\[tensor\] bert\.index\.json: shard 'two\.safetensors', which holds tensor 'c', can't be opened \(ENOENT/,
      ),
    );
    expect(bytesOf(await reader.read('b'))).toEqual(Uint8Array.of(9, 10, 11));
    files['two.safetensors'] = two;
    expect((await reader.read('c')).shape).toEqual([4]);
    expect(opened).toEqual(['two.safetensors', 'one.safetensors', 'two.safetensors']);
  });

  it('names a tensor that the index does not have', async () => {
    const reader = openShardedSafetensors(index, folder({}).openShard);
    await expect(reader.read('d')).rejects.toThrow(
      invalidFile(/^\[tensor\] model\.safetensors\.index\.json: no tensor 'd' among its 3 \(a, b, c\)/),
    );
  });

  it('names the shard and the tensor when the shard does not have it', async () => {
    const { openShard } = folder({ 'one.safetensors': two, 'two.safetensors': one });
    const reader = openShardedSafetensors(index, openShard);
    await expect(reader.read('a')).rejects.toThrow(invalidFile(/tensor 'a' should be in shard 'one\.safetensors'/));
  });

  it('names the shard that is damaged', async () => {
    const { openShard } = folder({ 'one.safetensors': one.subarray(0, one.byteLength - 1) });
    const reader = openShardedSafetensors(index, openShard);
    await expect(reader.read('a')).rejects.toThrow(
      invalidFile(/^\[tensor\] one\.safetensors: tensor 'b' ends at byte/),
    );
  });

  it('leaves an abort an abort', async () => {
    const abort = AbortSignal.abort();
    const reader = openShardedSafetensors(index, () => Promise.reject(abort.reason));
    await expect(reader.read('a')).rejects.toBe(abort.reason);
  });

  it.each([
    ['text that is not JSON', '{', /shard index is not JSON/],
    ['a list', '[]', /no "weight_map" object/],
    ['an index without a weight map', '{"metadata":{}}', /no "weight_map" object/],
    ['a weight map that is a list', '{"weight_map":[]}', /no "weight_map" object/],
    ['a file name that is a number', '{"weight_map":{"a":1}}', /tensor 'a' is mapped to 1, but the name of a file/],
    ['a file outside the folder', '{"weight_map":{"a":"../secret"}}', /'a' is mapped to "\.\.\/secret"/],
    ['an absolute path', '{"weight_map":{"a":"/etc/passwd"}}', /'a' is mapped to "\/etc\/passwd"/],
    ['a Windows path', '{"weight_map":{"a":"C:\\\\x"}}', /'a' is mapped to "C:/],
    ['the folder above', '{"weight_map":{"a":".."}}', /'a' is mapped to "\.\."/],
    ['an empty file name', '{"weight_map":{"a":""}}', /'a' is mapped to ""/],
  ])('refuses %s', (_, text, message) => {
    expect(() => openShardedSafetensors(text, folder({}).openShard)).toThrow(invalidFile(message));
  });
});
