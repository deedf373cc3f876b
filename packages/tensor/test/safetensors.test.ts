// Reading and writing safetensors: round trips, every way a file can be wrong, lazy reading. Shards have a file of their own.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DType } from '../src/dtype.ts';
import { FlashMLAError } from '../src/errors.ts';
import { decodeSafetensors, safetensorsMetadata } from '../src/safetensors/decode.ts';
import { encodeSafetensors } from '../src/safetensors/encode.ts';
import { type ByteSource, openSafetensors } from '../src/safetensors/reader.ts';
import { type HostTensor, tensor } from '../src/tensor.ts';
import { bytesOf, counting, invalidFile, recorded } from './safetensors-files.ts';

const DTYPES: DType[] = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'int64',
  'uint64',
  'int32',
  'uint32',
  'int16',
  'uint16',
  'int8',
  'uint8',
  'bool',
];

/** A file with this header and `dataBytes` zeros, however wrong. */
function fileOf(header: unknown, dataBytes = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.byteLength + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  bytes.set(json, 8);
  return bytes;
}

const headerOf = (bytes: Uint8Array) => {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return { length, text: new TextDecoder().decode(bytes.subarray(8, 8 + length)) };
};

describe('encodeSafetensors and decodeSafetensors', () => {
  it('round-trips every dtype, bit patterns included, with scalars and empty tensors', () => {
    const tensors = new Map<string, HostTensor>();
    DTYPES.forEach((dtype, i) => {
      tensors.set(`${dtype}.matrix`, counting(dtype, [3, 5], i));
      tensors.set(`${dtype}.scalar`, counting(dtype, [], i));
      tensors.set(`${dtype}.empty`, counting(dtype, [2, 0, 3]));
    });
    const decoded = decodeSafetensors(encodeSafetensors(tensors));
    expect([...decoded.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, original] of tensors) {
      const copy = decoded.get(name)!;
      expect(copy.dtype, name).toBe(original.dtype);
      expect(copy.shape, name).toEqual(original.shape);
      expect(copy.array.constructor, name).toBe(original.array.constructor);
      expect(bytesOf(copy), name).toEqual(bytesOf(original));
    }
  });

  it('refuses what is no Uint8Array', () => {
    const bytes = encodeSafetensors({ a: tensor(new Float32Array(1), [1]) });
    expect(() => decodeSafetensors(bytes.buffer as never)).toThrow(
      'the file is an ArrayBuffer; expected its bytes in a Uint8Array: new Uint8Array(buffer)',
    );
  });

  it('writes the bytes of the reference implementation', () => {
    const bytes = encodeSafetensors({ b: counting('int8', [3], 7), a: counting('int32', [1], 1) }, { k: 'v' });
    const json =
      '{"__metadata__":{"k":"v"},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},' +
      '"b":{"dtype":"I8","shape":[3],"data_offsets":[4,7]}}';
    const padded = json.padEnd(Math.ceil(json.length / 8) * 8);
    const expected = [padded.length, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode(padded), 1, 2, 3, 4, 7, 8, 9];
    expect([...bytes]).toEqual(expected);
    expect(new TextDecoder().decode(encodeSafetensors({}))).toBe('\x08\0\0\0\0\0\0\0{}      ');
  });

  it('puts larger dtypes first, then goes by name: tensors are aligned, and the bytes always the same', () => {
    const names = DTYPES.flatMap((dtype) => [`z.${dtype}`, `a.${dtype}`]);
    const entries = names.map((name) => [name, counting(name.slice(2) as DType, [3])] as const);
    const bytes = encodeSafetensors(new Map(entries));
    expect(encodeSafetensors(Object.fromEntries([...entries].reverse()))).toEqual(bytes);
    expect(headerOf(bytes).length % 8).toBe(0);
    const decoded = [...decodeSafetensors(bytes)];
    // The order that safetensors 0.8.0 wrote these tensors in.
    const order = 'uint64 int64 float64 float32 uint32 int32 bfloat16 float16 uint16 int16 int8 uint8 bool'.split(' ');
    expect(decoded.map(([name]) => name)).toEqual(order.flatMap((dtype) => [`a.${dtype}`, `z.${dtype}`]));
    for (const [name, { array }] of decoded) {
      expect(array.buffer, name).toBe(bytes.buffer);
      expect(array.byteOffset % array.BYTES_PER_ELEMENT, name).toBe(0);
    }
  });

  it('sorts names by code point, as UTF-8 does, where UTF-16 would differ', () => {
    const names = ['😀', '\uff5e', 'ab', 'a', 'B', '😀a', '😁'];
    const bytes = encodeSafetensors(Object.fromEntries(names.map((name) => [name, counting('int8', [1])])));
    expect([...decodeSafetensors(bytes).keys()]).toEqual(['B', 'a', 'ab', '\uff5e', '😀', '😀a', '😁']);
  });

  it('writes the elements of a view only, not the rest of its buffer', () => {
    const view = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    expect([...decodeSafetensors(encodeSafetensors({ view: tensor(view, [2]) })).get('view')!.array]).toEqual([2, 3]);
  });

  it('shares the memory of the file where aligned and copies only the tensor that is not', () => {
    const aligned = encodeSafetensors({ x: counting('float32', [2]), y: counting('uint8', [4]) });
    const shifted = new Uint8Array(aligned.byteLength + 1).subarray(1);
    shifted.set(aligned);
    const decoded = decodeSafetensors(shifted);
    expect(decoded.get('x')!.array.buffer).not.toBe(shifted.buffer);
    expect(decoded.get('x')!.array.buffer.byteLength).toBe(8);
    expect(decoded.get('y')!.array.buffer).toBe(shifted.buffer);
    expect(bytesOf(decoded.get('x')!)).toEqual(bytesOf(counting('float32', [2])));
  });

  it('decodes from a Buffer at an odd offset of its pool', () => {
    const bytes = encodeSafetensors({ x: counting('float64', [2]) });
    const pool = Buffer.alloc(bytes.byteLength + 3);
    pool.set(bytes, 3);
    expect(bytesOf(decodeSafetensors(pool.subarray(3)).get('x')!)).toEqual(bytesOf(counting('float64', [2])));
  });

  it('keeps metadata, and has none where none was written', () => {
    const metadata = { format: 'pt', note: 'naïve “quotes” 🙂', empty: '' };
    expect(safetensorsMetadata(encodeSafetensors({ x: counting('int8', [1]) }, metadata))).toEqual(metadata);
    expect(safetensorsMetadata(encodeSafetensors({ x: counting('int8', [1]) }))).toEqual({});
  });

  it('round-trips any names and shapes', () => {
    const anyTensor = fc
      .tuple(fc.constantFrom(...DTYPES), fc.array(fc.nat(4), { maxLength: 4 }), fc.nat(255))
      .map(([dtype, shape, fill]) => counting(dtype, shape, fill));
    const anyName = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('0', '__proto__', 'toString', 'a"b\\c'));
    fc.assert(
      fc.property(fc.array(fc.tuple(anyName, anyTensor)), (entries) => {
        const tensors = new Map(entries.filter(([name]) => name !== '__metadata__'));
        const decoded = decodeSafetensors(encodeSafetensors(tensors));
        expect(decoded.size).toBe(tensors.size);
        for (const [name, original] of tensors) {
          expect(decoded.get(name)!.shape).toEqual(original.shape);
          expect(decoded.get(name)!.dtype).toBe(original.dtype);
          expect(bytesOf(decoded.get(name)!)).toEqual(bytesOf(original));
        }
      }),
    );
  });

  it('refuses to write what no reader would accept', () => {
    const x = counting('int8', [1]);
    const device = { shape: [1], dtype: 'int8', data: x.data, dispose() {}, [Symbol.dispose]() {} } as const;
    const argument = (message: RegExp) =>
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) });
    expect(() => encodeSafetensors({ __metadata__: x })).toThrow(argument(/'__metadata__'.*rename/));
    expect(() => encodeSafetensors({ far: device })).toThrow(argument(/'far' is not a tensor in host memory/));
    expect(() => encodeSafetensors({ x }, { epochs: 3 as unknown as string })).toThrow(
      argument(/'epochs' is a number/),
    );
  });
});

const f32 = (start: number, end: number, shape: unknown = [(end - start) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, end],
});

/** What is wrong, the bytes, and what the message must say. */
const BROKEN: [what: string, bytes: Uint8Array, message: RegExp][] = [
  ['an empty file', new Uint8Array(0), /0 bytes long.*8 bytes of header length/],
  ['a file shorter than 8 bytes', new Uint8Array(7), /7 bytes long.*8 bytes of header length/],
  ['a header beyond the end of the file', fileOf({}).subarray(0, 9), /claims 2 bytes, beyond the end of the file of 9/],
  [
    'a header beyond 100 MB',
    Uint8Array.of(0x01, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, 0x7b, 0x7d),
    /claims 100000001 bytes, more than the 100000000 allowed/,
  ],
  ['a header length near 2^64', new Uint8Array(32).fill(0xff), /claims 18446744073709551615 bytes, more than/],
  ['an empty header', fileOf(''), /header is not JSON/],
  ['a header that is not JSON', fileOf('{"x": '), /header is not JSON/],
  ['a header that is not UTF-8', Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff, 0xfe, 0x22), /not JSON in UTF-8/],
  ['a header with a byte order mark', fileOf('\ufeff{}'), /header is not JSON/],
  ['a header that is a list', fileOf([]), /the header is \[\], but a JSON object/],
  ['a header that is null', fileOf(null), /the header is null, but a JSON object/],
  ['a header that is a number', fileOf(3), /the header is 3, but a JSON object/],
  ['metadata that are no object', fileOf({ __metadata__: ['a'] }), /__metadata__ is \["a"\]/],
  ['metadata that are not text', fileOf({ __metadata__: { epochs: 3 } }), /__metadata__ holds 3 under 'epochs'/],
  ['a tensor that is no object', fileOf({ x: 'F32' }), /tensor 'x' is described by "F32"/],
  [
    'an unknown dtype',
    fileOf({ x: { dtype: 'F8_E4M3', shape: [1], data_offsets: [0, 1] } }, 1),
    /tensor 'x' has the unknown dtype "F8_E4M3"; known are .*F32.*BOOL/,
  ],
  ['a missing dtype', fileOf({ x: { shape: [1], data_offsets: [0, 1] } }, 1), /'x' has the unknown dtype nothing/],
  ['a dtype inherited by every object', fileOf({ x: { dtype: 'constructor' } }), /'x' has the unknown dtype/],
  ['a shape that is no list', fileOf({ x: f32(0, 4, 1) }, 4), /tensor 'x' has the shape 1, but a list of whole/],
  ['a missing shape', fileOf({ x: { dtype: 'F32', data_offsets: [0, 4] } }, 4), /'x' has the shape nothing/],
  ['a negative size', fileOf({ x: f32(0, 4, [-1, -1]) }, 4), /tensor 'x' has the shape \[-1,-1\]/],
  ['a fractional size', fileOf({ x: f32(0, 4, [0.5, 2]) }, 4), /tensor 'x' has the shape \[0.5,2\]/],
  ['a size that is text', fileOf({ x: f32(0, 4, ['1']) }, 4), /tensor 'x' has the shape \["1"\]/],
  ['missing offsets', fileOf({ x: { dtype: 'F32', shape: [1] } }, 4), /tensor 'x' has the data_offsets nothing/],
  ['three offsets', fileOf({ x: { ...f32(0, 4), data_offsets: [0, 4, 8] } }, 8), /'x' has the data_offsets \[0,4,8\]/],
  ['a negative offset', fileOf({ x: f32(-4, 0) }, 4), /tensor 'x' has the data_offsets \[-4,0\]/],
  ['an end before the start', fileOf({ x: f32(4, 0, [1]) }, 4), /tensor 'x' has the data_offsets \[4,0\].*start ≤ end/],
  [
    'offsets that do not match shape and dtype',
    fileOf({ x: f32(0, 8, [3]) }, 8),
    /tensor 'x' has data_offsets \[0,8\], 8 bytes, but float32 of shape \[3\] takes 12/,
  ],
  ['a shape whose product overflows', fileOf({ x: f32(0, 0, [2 ** 52, 2 ** 52]) }), /tensor 'x' .* takes 8\.\d+e\+31/],
  [
    'a truncated file',
    fileOf({ x: f32(0, 4), y: f32(4, 12) }, 10),
    /tensor 'y' ends at byte \d+, but the file has \d+/,
  ],
  ['offsets beyond the file', fileOf({ x: f32(4000, 4004) }, 4), /tensor 'x' ends at byte \d+.*truncated/],
  ['overlapping tensors', fileOf({ x: f32(0, 8), y: f32(4, 12) }, 12), /tensors 'x' and 'y' overlap/],
  ['two tensors at one place', fileOf({ x: f32(0, 4), y: f32(0, 4) }, 4), /tensors 'x' and 'y' overlap/],
  ['a hole before the first tensor', fileOf({ x: f32(4, 8) }, 8), /hole of 4 bytes lies before the data of tensor 'x'/],
  ['a hole between tensors', fileOf({ x: f32(0, 4), y: f32(8, 12) }, 12), /hole of 4 bytes .* tensor 'y'/],
  ['bytes after the last tensor', fileOf({ x: f32(0, 4) }, 5), /1 bytes after the last tensor/],
  ['data without a tensor', fileOf({}, 3), /3 bytes after the last tensor/],
];

describe('a file that is wrong is refused with its reason', () => {
  it.each(BROKEN)('%s', async (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(invalidFile(message));
    expect(() => decodeSafetensors(bytes)).toThrow(FlashMLAError);
    expect(() => decodeSafetensors(bytes)).toThrow(/^\[tensor\] safetensors data: /);
    expect(() => decodeSafetensors(bytes, 'model.safetensors')).toThrow(/^\[tensor\] model\.safetensors: /);
    expect(() => safetensorsMetadata(bytes)).toThrow(invalidFile(message));
    await expect(openSafetensors(recorded(bytes))).rejects.toThrow(invalidFile(message));
    await expect(openSafetensors(recorded(bytes, 'lazy.safetensors'))).rejects.toThrow(
      /^\[tensor\] lazy\.safetensors: /,
    );
  });

  it('raises a FlashMLAError or decodes whatever bytes are damaged, and nothing else', () => {
    const whole = encodeSafetensors({ x: counting('float32', [2]), y: counting('int8', [3]) }, { k: 'v' });
    const damage = fc.array(fc.tuple(fc.nat(whole.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(damage, fc.nat(whole.byteLength), (edits, length) => {
        const bytes = whole.slice(0, length);
        for (const [at, value] of edits) if (at < length) bytes[at] = value;
        try {
          decodeSafetensors(bytes);
        } catch (error) {
          expect(error).toEqual(invalidFile(/^\[tensor\] safetensors data: /));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('accepts offsets in any order of names, and a header that is not padded', () => {
    const decoded = decodeSafetensors(fileOf({ b: f32(8, 12), empty: f32(8, 8), a: f32(0, 8) }, 12));
    expect([...decoded.keys()]).toEqual(['a', 'empty', 'b']);
  });
});

describe('openSafetensors', () => {
  const tensors = { a: counting('float32', [2, 3], 1), b: counting('int16', [4], 50), none: counting('int8', [0]) };

  it('reads the header when opened and then only the ranges that are asked for', async () => {
    const bytes = encodeSafetensors(tensors, { k: 'v' });
    const source = recorded(bytes);
    const reader = await openSafetensors(source);
    const { length } = headerOf(bytes);
    expect(source.reads).toEqual([
      [0, 8],
      [8, length],
    ]);
    expect(reader.names).toEqual(['a', 'b', 'none']);
    expect(reader.metadata).toEqual({ k: 'v' });
    const place = { dtype: 'int16', shape: [4], byteOffset: 8 + length + 24, byteLength: 8 };
    expect(await reader.info('b')).toEqual(place);
    expect(source.reads).toHaveLength(2);

    const b = await reader.read('b');
    expect(source.reads.slice(2)).toEqual([[place.byteOffset, 8]]);
    expect([b.dtype, b.shape]).toEqual(['int16', [4]]);
    expect(bytesOf(b)).toEqual(bytesOf(tensors.b));
    expect(bytesOf(await reader.read('a'))).toEqual(bytesOf(tensors.a));
    expect((await reader.read('none')).array).toHaveLength(0);
    expect(source.reads).toHaveLength(4);
  });

  it('wraps the bytes that the source gave, without a copy', async () => {
    const bytes = encodeSafetensors(tensors);
    const source = { byteLength: bytes.byteLength, read: async (o: number, n: number) => bytes.subarray(o, o + n) };
    const reader = await openSafetensors(source);
    expect((await reader.read('a')).array.buffer).toBe(bytes.buffer);
  });

  it('names a tensor that is not there, and some that are', async () => {
    const reader = await openSafetensors(recorded(encodeSafetensors(tensors), 'model.safetensors'));
    const message = /^\[tensor\] model\.safetensors: no tensor 'bert\.a' among its 3 \(a, b, none\)/;
    await expect(reader.read('bert.a')).rejects.toThrow(invalidFile(message));
    await expect(reader.info('bert.a')).rejects.toThrow(invalidFile(message));
    await expect(reader.read('toString')).rejects.toThrow(invalidFile(/no tensor 'toString'/));
  });

  it('notices a source that gives too few bytes, and says for which tensor', async () => {
    const bytes = encodeSafetensors(tensors);
    const cut = bytes.subarray(0, bytes.byteLength - 3);
    const source = { ...recorded(cut, 'cut.safetensors'), byteLength: bytes.byteLength };
    const reader = await openSafetensors(source);
    await expect(reader.read('b')).rejects.toThrow(invalidFile(/cut\.safetensors: tensor 'b' takes 8 bytes .* 5 were/));
    const headless = { ...recorded(bytes.subarray(0, 20)), byteLength: bytes.byteLength };
    await expect(openSafetensors(headless)).rejects.toThrow(invalidFile(/the header takes \d+ bytes .* 12 were read/));
  });

  it('lets the errors of the source through', async () => {
    const source = { byteLength: 100, read: () => Promise.reject(new Error('disk on fire')) };
    await expect(openSafetensors(source)).rejects.toThrow('disk on fire');
  });

  it('reads past 2^31 and 2^32 bytes, without allocating what was not asked for', async () => {
    const first = 3 * 2 ** 30; // bytes of a tensor that nobody reads
    const second = 5 * 2 ** 30;
    const head = fileOf({
      huge: { dtype: 'U8', shape: [3, 2 ** 30], data_offsets: [0, first] },
      middle: { dtype: 'I16', shape: [3], data_offsets: [first, first + 6] },
      vast: { dtype: 'F16', shape: [second / 2], data_offsets: [first + 6, first + 6 + second] },
      last: { dtype: 'F64', shape: [2], data_offsets: [first + 6 + second, first + 6 + second + 16] },
    });
    const reads: [number, number][] = [];
    const source: ByteSource = {
      byteLength: head.byteLength + first + second + 22,
      async read(offset, byteLength) {
        reads.push([offset, byteLength]);
        if (offset < head.byteLength) return head.slice(offset, offset + byteLength);
        // Byte at offset o is o mod 251: a prime, so that an offset cut to 32 bits would show.
        return Uint8Array.from({ length: byteLength }, (_, i) => (offset + i) % 251);
      },
    };
    const reader = await openSafetensors(source);
    const at = head.byteLength + first + 6 + second;
    expect(at).toBeGreaterThan(2 ** 33);
    expect(bytesOf(await reader.read('middle'))[0]).toBe((head.byteLength + first) % 251);
    expect([...bytesOf(await reader.read('last'))]).toEqual(Array.from({ length: 16 }, (_, i) => (at + i) % 251));
    expect(reads.slice(2)).toEqual([
      [head.byteLength + first, 6],
      [at, 16],
    ]);
    expect((await reader.info('vast')).byteLength).toBe(second);
    const cut = { ...source, byteLength: source.byteLength - 1 };
    await expect(openSafetensors(cut)).rejects.toThrow(invalidFile(/tensor 'last' ends at byte \d+.*truncated/));
  });
});

// Files that other programs wrote. A skipped test is counted and shown by name: then those files were not there.
const fixtures = new URL('../../../../shared/fixtures/attention/', import.meta.url);

describe.skipIf(!existsSync(fixtures))('the attention fixtures in ../shared', () => {
  const names = existsSync(fixtures) ? readdirSync(fixtures).filter((name) => name.endsWith('.safetensors')) : [];

  it('are there', () => {
    expect(names.length).toBeGreaterThan(0);
  });

  it.each(names)('%s reads the same whole and lazily, and survives a round trip', async (name) => {
    const bytes = readFileSync(new URL(name, fixtures));
    const decoded = decodeSafetensors(bytes, name);
    const { shape, dtype, array } = decoded.get('query')!;
    expect([shape.length, dtype]).toEqual([4, 'float32']);
    expect((array as Float32Array).some((value) => value !== 0)).toBe(true);
    expect(decoded.get('output')!.dtype).toBe('float64');
    expect(safetensorsMetadata(bytes)).toHaveProperty('tileQueries');

    const reader = await openSafetensors(recorded(bytes, name));
    const again = decodeSafetensors(encodeSafetensors(decoded, reader.metadata));
    expect([...reader.names].sort()).toEqual([...again.keys()].sort());
    for (const [tensorName, original] of decoded) {
      const lazy = await reader.read(tensorName);
      expect(lazy.shape, tensorName).toEqual(original.shape);
      expect(again.get(tensorName)!.shape, tensorName).toEqual(original.shape);
      expect(Buffer.compare(bytesOf(lazy), bytesOf(original)), tensorName).toBe(0);
      expect(Buffer.compare(bytesOf(again.get(tensorName)!), bytesOf(original)), tensorName).toBe(0);
    }
  });
});
