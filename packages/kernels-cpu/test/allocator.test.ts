import { describe, expect, it } from 'vitest';
import { Allocator } from '../src/allocator.ts';

const quiet = Number.POSITIVE_INFINITY;

describe('Allocator', () => {
  it('gives aligned blocks that never overlap, and counts them', () => {
    const allocator = new Allocator(1000 * 64, 1 << 20);
    const blocks = [1, 64, 100, 5000].map((byteLength) => allocator.allocate(byteLength, quiet)!);
    for (const [i, block] of blocks.entries()) {
      expect(block.offset % 64).toBe(0);
      if (i > 0) expect(block.offset).toBeGreaterThanOrEqual(blocks[i - 1]!.offset + blocks[i - 1]!.byteLength);
    }
    expect(allocator.usedBytes).toBe(blocks.reduce((sum, block) => sum + block.byteLength, 0));
    for (const block of blocks) allocator.free(block, 0);
    expect(allocator.usedBytes).toBe(0);
  });

  it('joins freed neighbours, so that a long run does not fragment', () => {
    const allocator = new Allocator(0, 1 << 30);
    for (let round = 0; round < 200; round++) {
      const blocks = Array.from(
        { length: 10 },
        (_, i) => allocator.allocate(1000 * (1 + ((i * 7 + round) % 10)), quiet)!,
      );
      const shuffled = [...blocks.filter((_, i) => i % 2), ...blocks.filter((_, i) => i % 2 === 0)];
      for (const block of shuffled) allocator.free(block, round);
    }
    expect(allocator.end).toBeLessThan(64_000);
  });

  it('gives a block that commands may still use to other commands only', () => {
    const allocator = new Allocator(0, 1 << 20);
    const block = allocator.allocate(1000, quiet)!;
    allocator.free(block, 7);
    const forHost = allocator.allocate(1000, 6)!;
    expect(forHost.offset).not.toBe(block.offset);
    expect(allocator.allocate(1000, quiet)!.offset).toBe(block.offset);
  });

  it('gives it to the host once those commands are done', () => {
    const allocator = new Allocator(0, 1 << 20);
    const block = allocator.allocate(1000, quiet)!;
    allocator.free(block, 7);
    expect(allocator.allocate(1000, 7)!.offset).toBe(block.offset);
  });

  it('refuses beyond the limit and stays as it was', () => {
    const allocator = new Allocator(0, 10_000);
    const block = allocator.allocate(4000, quiet)!;
    expect(allocator.allocate(8000, quiet)).toBeUndefined();
    expect(allocator.usedBytes).toBe(block.byteLength);
    expect(allocator.allocate(4000, quiet)).toBeDefined();
  });

  it('grows the last free block instead of leaving it behind', () => {
    const allocator = new Allocator(0, 1 << 20);
    allocator.free(allocator.allocate(1000, quiet)!, 0);
    const larger = allocator.allocate(5000, quiet)!;
    expect(larger.offset).toBe(0);
  });
});
