import { FlashMLAError } from '@flashmla/tensor';
import { expect, test } from 'vitest';
import { provider } from '../dist/index.js';

test('outside a browser the probe says why there is no WebGL2', async () => {
  expect(await provider.probe()).toEqual({
    available: false,
    reason: 'WebGL2 is in browsers only; use @flashmla/kernels-cpu here',
  });
});

test('outside a browser opening raises the same', async () => {
  const error = await provider.open().catch((raised: unknown) => raised);
  expect(error).toBeInstanceOf(FlashMLAError);
  expect(error).toMatchObject({ code: 'backend-unavailable', message: expect.stringContaining('in browsers only') });
});

test('a memory limit that makes no sense is refused', async () => {
  await expect(provider.open({ memoryBytes: 0 })).rejects.toThrow('memoryBytes is 0; expected a number above 0');
});
