import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { sha256 } from '../src/index.ts';

describe('sha256', () => {
  it('gives the digests of FIPS 180-4', async () => {
    expect(await sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(await sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('takes a text in UTF-8, and the bytes under any view, of shared memory too', async () => {
    const expected = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(await sha256('é▁')).toBe(expected(Buffer.from('é▁')));
    const memory = new SharedArrayBuffer(64);
    const view = new Float32Array(memory, 8, 5).fill(1.5);
    expect(await sha256(view)).toBe(expected(new Uint8Array(memory, 8, 20).slice()));
    expect(await sha256(view.slice().subarray(1, 3))).toBe(expected(new Uint8Array(memory, 12, 8).slice()));
  });

  it('says what is missing in a page that is not secure', async () => {
    vi.stubGlobal('crypto', {});
    await expect(sha256('abc')).rejects.toThrow('[tensor] there is no Web Crypto here');
    vi.unstubAllGlobals();
  });
});
