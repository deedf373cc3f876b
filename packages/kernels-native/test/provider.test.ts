// What is said where there is no addon, or none of what was asked for.

import { afterEach, expect, test, vi } from 'vitest';
import { provider } from '../src/index.ts';

afterEach(() => void vi.unstubAllEnvs());

test('an addon that is not there, and one that does not load, are reasons and no errors', async () => {
  vi.stubEnv('FLASHMLA_NATIVE_ADDON', '/nowhere/kernels.node');
  expect(await provider.probe()).toEqual({
    available: false,
    reason: expect.stringMatching(/^\/nowhere\/kernels\.node is not there: .*C\+\+ compiler$/),
  });
  await expect(provider.open()).rejects.toMatchObject({ code: 'backend-unavailable' });
  vi.stubEnv('FLASHMLA_NATIVE_ADDON', new URL('../package.json', import.meta.url).pathname.replace('.json', '.node'));
  expect((await provider.probe()).available).toBe(false);
});

test('threads and an architecture that make no sense are refused', async ({ skip }) => {
  const { available, reason } = await provider.probe();
  if (!available) skip(reason);
  await expect(provider.open({ threads: 0 })).rejects.toThrow('threads is 0; expected a whole number from 1 to 256');
  await expect(provider.open({ architecture: 'sse' })).rejects.toThrow(/architecture is 'sse'; this CPU runs .+/);
});
