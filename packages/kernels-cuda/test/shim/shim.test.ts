// The shim finds what it is there to find.

import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import type { Word } from '../../src/plan.ts';
import { compile, describeOnShim, load, type Shim } from '../support/shim.ts';

describeOnShim('faults in kernels', () => {
  let shim: Shim;
  beforeAll(() => {
    shim = load(compile([fileURLToPath(new URL('faults.cpp', import.meta.url))]));
  }, 300_000);

  /** What a kernel writes over two blocks, from an input of 128 numbers 0, 1, 2, … of its type. */
  function run(
    kernel: string,
    options: { floats?: boolean; words?: Word[]; sharedBytes?: number; input?: boolean } = {},
  ) {
    const { floats = true, words = [], sharedBytes = 0, input = true } = options;
    const numbers = floats
      ? Float32Array.from({ length: 128 }, (_, i) => i)
      : Int32Array.from({ length: 128 }, (_, i) => i);
    const bytes = new Uint8Array(numbers.buffer);
    const [from, to] = [shim.allocate(512), shim.allocate(512)];
    try {
      shim.write(from, bytes);
      const block = [shim.kernels.get(kernel)!.threads, 1, 1] as const;
      const bindings = input ? ['input', 'output'] : ['output'];
      shim.launch({ kernel, grid: [2, 1, 1], block, sharedBytes, bindings, words }, input ? [from, to] : [to]);
      shim.read(to, bytes);
      return [...numbers];
    } finally {
      shim.free(from, 512);
      shim.free(to, 512);
    }
  }
  const backwards = Array.from({ length: 64 }, (_, i) => 63 - i);

  test('none, and the result is right', () => {
    expect(run('right', { floats: false })).toEqual([...backwards, ...backwards]);
  });

  test('a missing barrier gives a wrong result', () => {
    expect(run('missing_barrier', { floats: false })).not.toEqual([...backwards, ...backwards]);
  });

  test('a copy that nobody waited for is not there', () => {
    const copied = Array.from({ length: 32 }, (_, i) => 4 * i);
    expect(run('awaited_copy', { sharedBytes: 512, words: [1] }).slice(0, 32)).toEqual(copied);
    expect(run('awaited_copy', { sharedBytes: 512, words: [0] })[0]).toBeNaN();
  });

  test('an access outside of a buffer is named', () => {
    expect(run('reads_past_the_end', { words: [96] }).slice(0, 2)).toEqual([96, 97]);
    expect(() => run('reads_past_the_end', { words: [97] })).toThrow(
      'reads_past_the_end: read or wrote outside of a buffer; block (0, 0, 0), thread 31',
    );
  });

  test('shared memory has an end, and holds nothing at first', () => {
    expect(() => run('writes_past_shared_memory', { input: false, sharedBytes: 124 })).toThrow(
      'writes_past_shared_memory: wrote past its dynamic shared memory; block (0, 0, 0)',
    );
    expect(run('unwritten_shared_memory', { input: false, sharedBytes: 128 })[5]).toBeNaN();
  });

  test('lanes that wait for others that ended are named', () => {
    expect(() => run('stranded_lanes', { input: false })).toThrow(
      'stranded_lanes: lanes wait for others of their warp that do not come; block (0, 0, 0)',
    );
  });

  test('a launch that no kernel takes', () => {
    const step = { kernel: 'right', grid: [1, 1, 1], sharedBytes: 0, bindings: [], words: [] } as const;
    expect(() => shim.launch({ ...step, block: [96, 1, 1] }, [0n, 0n])).toThrow('a block of 96 threads, built for 64');
    expect(() => shim.launch({ ...step, block: [64, 1, 1], grid: [0, 1, 1] }, [0n, 0n])).toThrow(
      'a grid that no device takes',
    );
    expect(() => shim.launch({ ...step, block: [64, 1, 1], kernel: 'left' }, [])).toThrow('there is no kernel left');
  });
});
