// Where tensors lie: never over one another, always the same for the same requests, and what happens at the limits.

import { describe, expect, it } from 'vitest';
import { CudaError } from '../src/cuda-error.ts';
import { type Block, DeviceMemory } from '../src/device-memory.ts';

const mib = 2 ** 20;

/** A device with `capacity` bytes. */
function device(capacity = Number.POSITIVE_INFINITY) {
  const segments = new Map<number, number>();
  let next = 2 ** 40;
  const source = {
    waits: 0,
    segments,
    allocate(byteLength: number) {
      const held = [...segments.values()].reduce((sum, bytes) => sum + bytes, 0);
      if (held + byteLength > capacity) throw new CudaError('cuMemAlloc', 2, 'CUDA_ERROR_OUT_OF_MEMORY');
      const address = next;
      next += 2 * byteLength;
      segments.set(address, byteLength);
      return address;
    },
    free(address: number) {
      if (!segments.delete(address)) throw new Error(`freed what is not there: ${address}`);
    },
    quiet() {
      source.waits++;
    },
  };
  return source;
}

describe('device memory', () => {
  it('gives aligned blocks that never overlap, and counts them', () => {
    const memory = new DeviceMemory(device(), 1024 * mib);
    const blocks = [1, 256, 1000, 5 * mib, 40 * mib, 0].map((byteLength) => memory.take(byteLength)!);
    const sorted = [...blocks].sort((a, b) => a.address - b.address);
    for (const [at, { address }] of sorted.entries()) {
      expect(address % 256).toBe(0);
      const before = sorted[at - 1];
      if (before) expect(address).toBeGreaterThanOrEqual(before.address + before.byteLength);
    }
    expect(memory.usedBytes).toBe(blocks.reduce((sum, { byteLength }) => sum + byteLength, 0));
    for (const block of blocks) memory.give(block);
    expect(memory.usedBytes).toBe(0);
    expect(memory.peakBytes).toBeGreaterThan(45 * mib);
    memory.resetPeak();
    expect(memory.peakBytes).toBe(0);
  });

  it('gives the same addresses for the same requests, whatever order things were freed in', () => {
    const memory = new DeviceMemory(device(), 1024 * mib);
    const pass = (reversed: boolean) => {
      const first = [3 * mib, mib, 700].map((byteLength) => memory.take(byteLength)!);
      memory.give(first[1]!);
      const second = [mib / 2, mib / 4, 40 * mib].map((byteLength) => memory.take(byteLength)!);
      const held = [first[0]!, first[2]!, ...second];
      for (const block of reversed ? held.reverse() : held) memory.give(block);
      return [...first, ...second].map(({ address }) => address);
    };
    // The first pass finds less memory than it leaves.
    pass(false);
    const expected = pass(false);
    for (const reversed of [true, false, true, true]) expect(pass(reversed)).toEqual(expected);
  });

  it('joins what is freed, so that a long run does not fragment', () => {
    const source = device();
    const memory = new DeviceMemory(source, 1024 * mib);
    let random = 1;
    const held: Block[] = [];
    for (let round = 0; round < 2000; round++) {
      random = (random * 48271) % 2147483647;
      if (held.length > 20) memory.give(held.splice(random % held.length, 1)[0]!);
      held.push(memory.take(random % mib)!);
    }
    for (const block of held) memory.give(block);
    expect(source.segments.size).toBeLessThanOrEqual(2);
    expect(memory.take(31 * mib)).toBeDefined();
    expect(source.segments.size).toBeLessThanOrEqual(2);
  });

  it('gives idle segments back when the device is full, once nothing uses them', () => {
    const source = device(100 * mib);
    const memory = new DeviceMemory(source, 1024 * mib);
    const small = memory.take(mib)!;
    memory.give(memory.take(60 * mib)!);
    expect(source.waits).toBe(0);
    const large = memory.take(66 * mib)!;
    expect(source.waits).toBe(1);
    expect([...source.segments.values()]).toEqual([32 * mib, 66 * mib]);
    expect(memory.take(10 * mib)).toBeDefined();
    expect(memory.take(50 * mib)).toBeUndefined();
    expect(memory.usedBytes).toBe(small.byteLength + large.byteLength + 10 * mib);
  });

  it('keeps to its limit, and reaches it', () => {
    const source = device();
    const memory = new DeviceMemory(source, 40 * mib);
    expect(memory.take(41 * mib)).toBeUndefined();
    expect(source.segments.size).toBe(0);
    expect(memory.take(30 * mib)).toBeDefined();
    expect(memory.take(8 * mib)).toBeDefined();
    expect(memory.take(3 * mib)).toBeUndefined();
  });

  it('passes on what is no lack of memory', () => {
    const memory = new DeviceMemory(
      {
        ...device(),
        allocate: () => {
          throw new CudaError('cuMemAlloc', 700, 'CUDA_ERROR_ILLEGAL_ADDRESS');
        },
      },
      mib,
    );
    expect(() => memory.take(1)).toThrow('ILLEGAL_ADDRESS');
  });
});
