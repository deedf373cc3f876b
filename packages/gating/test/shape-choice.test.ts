// 'auto': the shape that was measured to be faster runs, and k stays what the caller asked for.

import { measured } from '@flashmla/backend';
import { referenceBackend } from '@flashmla/conformance';
import { beforeEach, expect, it, vi } from 'vitest';
import { ContentGate } from '../src/index.ts';
import { clustered } from './data.ts';

vi.mock('@flashmla/backend', { spy: true });
const spy = vi.mocked(measured);
beforeEach(() => {
  spy.mockReset();
});

const inputs = clustered({ batch: 1, heads: 1, tokens: 140, headDim: 8 }, 1);
const select = (k: number) => new ContentGate({ k }).select({ backend: referenceBackend(), ...inputs });

it.each([
  ['blocks', { listsMs: 2, blocksMs: 1 }, 16, 4],
  ['lists', { listsMs: 1, blocksMs: 2 }, 1, 64],
])('runs %s when they are faster, with k tokens', async (_name, times, blockKeys, slots) => {
  spy.mockResolvedValue(times);
  const selection = await select(64);
  expect(selection.blockKeys).toBe(blockKeys);
  expect(selection.indices.shape[3]).toBe(slots);
  expect(spy.mock.calls[0][1]).toContain('tokens=128 k=64');
});

it('times both shapes where nothing is known, and believes only figures', async () => {
  spy.mockImplementation(async (_backend, _key, measure, accepts) => {
    const times = await measure();
    expect(times).toEqual({ listsMs: expect.any(Number), blocksMs: expect.any(Number) });
    expect(accepts?.(times)).toBe(true);
    expect(accepts?.({ listsMs: 'fast' })).toBe(false);
    expect(accepts?.(null)).toBe(false);
    return times;
  });
  const selection = await select(64);
  expect([1, 16]).toContain(selection.blockKeys);
  expect(spy).toHaveBeenCalledOnce();
});

it('does not consider a shape that the backend refuses', async () => {
  const refusing = (blockKeys: number) => {
    const backend = referenceBackend();
    const { supports } = backend;
    vi.spyOn(backend, 'supports').mockImplementation((problem) =>
      problem.op === 'sparse-attention' && problem.blockKeys === blockKeys
        ? { supported: false, reason: 'no', advice: 'none' }
        : supports.call(backend, problem),
    );
    return backend;
  };
  const shapeOn = async (backend: ReturnType<typeof refusing>) =>
    (await new ContentGate({ k: 64 }).select({ backend, ...inputs })).blockKeys;
  expect(await shapeOn(refusing(16))).toBe(1);
  expect(await shapeOn(refusing(1))).toBe(16);
  expect(spy).not.toHaveBeenCalled();
});

it('takes lists where a tile would share fewer than four blocks', async () => {
  const selection = await select(63);
  expect(selection.blockKeys).toBe(1);
  expect(spy).not.toHaveBeenCalled();
});
