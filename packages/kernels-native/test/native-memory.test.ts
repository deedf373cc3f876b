// Which blocks are given out again, and when: on an addon that only counts.

import { beforeEach, expect, test } from 'vitest';
import { type Block, NativeMemory } from '../src/native-memory.ts';

const MiB = 2 ** 20;
let completed: number;
let held: Map<number, number>;
let memory: NativeMemory;

beforeEach(() => {
  completed = 0;
  held = new Map();
  let next = 0x1000;
  const addon = {
    allocate(byteLength: number) {
      next += byteLength;
      held.set(next, byteLength);
      return next;
    },
    free: (address: number) => void held.delete(address),
  };
  memory = new NativeMemory(addon, 1024 * MiB, () => completed);
});

const take = (byteLength: number, quiet = false): Block => {
  const block = memory.take(byteLength, quiet);
  if (!block) throw new Error('out of memory');
  return block;
};

test('a freed block serves an op at once, and an upload when what used it is done', () => {
  const first = take(1000);
  memory.give(first, 7);
  expect(take(1024, true).address).not.toBe(first.address);
  completed = 7;
  expect(take(1024, true).address).toBe(first.address);
  memory.give(first, 9);
  expect(take(970).address).toBe(first.address);
});

test('of blocks of a size the one freed last is taken', () => {
  const [first, second] = [take(64), take(64)];
  memory.give(second, 0);
  memory.give(first, 0);
  expect([take(64).address, take(64).address]).toEqual([first.address, second.address]);
});

test('what is in use is counted, in whole lines, with its peak', () => {
  const block = take(1);
  take(100);
  expect([memory.usedBytes, memory.peakBytes]).toEqual([64 + 128, 64 + 128]);
  memory.give(block, 0);
  memory.resetPeak();
  expect([memory.usedBytes, memory.peakBytes]).toEqual([128, 128]);
});

test('beyond the limit there is nothing, unless what is free and quiet can be given back', () => {
  const large = take(700 * MiB);
  expect(memory.take(400 * MiB, false)).toBeUndefined();
  memory.give(large, 3);
  expect(memory.take(400 * MiB, false)).toBeUndefined();
  completed = 3;
  expect(take(400 * MiB).byteLength).toBe(400 * MiB);
  expect([...held.values()]).toEqual([400 * MiB]);
});

test('what was in use at most is kept for the next run; beyond, what was freed longest ago is given back', () => {
  const blocks = [take(200 * MiB), take(150 * MiB), take(8 * MiB)];
  for (const block of blocks) memory.give(block, 0);
  expect([...held.values()]).toEqual([200 * MiB, 150 * MiB, 8 * MiB]);
  memory.give(take(300 * MiB), 0);
  expect([...held.values()]).toEqual([8 * MiB, 300 * MiB]);
});

test('what a command on its way may use is not given back', () => {
  const blocks = [take(200 * MiB), take(150 * MiB)];
  memory.give(blocks[0]!, 5);
  memory.give(blocks[1]!, 0);
  memory.give(take(300 * MiB), 0);
  expect([...held.values()]).toEqual([200 * MiB]);
});
