// Every call of the driver, failing: the first time that it is made and the last time, in the life of a backend from the probe
// to its end. What failed is told by name, what was acquired is released, and unless it was the end the backend goes on.

import { tensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { CudaError } from '../src/cuda-error.ts';
import { type CudaCalls, initialized, signatures } from '../src/driver.ts';
import type { CudaBackend } from '../src/index.ts';
import { providerOver } from '../src/provider.ts';
import { stagingBlockBytes } from '../src/staging.ts';
import { FakeDriver } from './fake-driver.ts';
import { chain, copyInput, image, numbers, square } from './support.ts';

const invalidValue = 1;

/** Everything that a backend does: graphs, a profile, a kernel that needs to be allowed its memory, more than is pinned. */
async function everything(backend: CudaBackend): Promise<void> {
  for (let run = 0; run < 5; run++) await chain(backend, 6);
  await backend.profile(() => chain(backend, 2));
  using operand = backend.allocate([4, 4], 'float16');
  using output = backend.allocate([4, 4], 'float16');
  const program = await backend.prepare({ ...square, dtype: 'float16' });
  backend.dispatch(program, { input: operand, weight: operand }, { output });
  using large = backend.upload(tensor(new Uint8Array(9.5 * stagingBlockBytes), [9.5 * stagingBlockBytes]));
  await large.data();
  await backend.synchronize();
}

/** @returns what was told: the reason of a probe, or what was raised; undefined where all went well */
async function live(fake: FakeDriver): Promise<unknown> {
  const provider = providerOver(
    async () => initialized(fake),
    async () => image,
    async () => 'there is none',
  );
  const { available, reason } = await provider.probe();
  if (!available) return new Error(reason);
  expect(fake.contexts.size).toBe(0);
  const opened = await provider.open().catch((error: Error) => error);
  if (opened instanceof Error) return opened;
  const failure = await everything(opened).catch((error: unknown) => error);
  if (failure) {
    // What was told to one who waited may have been kept for `synchronize`, too.
    await opened.synchronize().catch(() => {});
    expect(await chain(opened, 6)).toEqual(numbers(7));
    expect(opened.memory().usedBytes).toBe(0);
  }
  const failureAtEnd = await opened.dispose().catch((error: unknown) => error);
  return failure ?? failureAtEnd;
}

const whole = new FakeDriver({ execute: copyInput });
const toldOfWhole = await live(whole);

it('a life in which nothing fails makes every call, and leaves nothing behind', () => {
  expect(toldOfWhole).toBeUndefined();
  expect(Object.keys(signatures).filter((call) => whole.count(call as keyof CudaCalls) === 0)).toEqual([]);
  expect(whole.held).toEqual([]);
});

it.each(
  (Object.keys(signatures) as (keyof CudaCalls)[]).flatMap((call) =>
    [...new Set([0, whole.count(call) - 1])].map((before) => [call, before] as const),
  ),
)('%s, after it succeeded %d times', async (call, before) => {
  const fake = new FakeDriver({ execute: copyInput });
  fake.fail(call, invalidValue, before);
  const told = await live(fake);
  expect(fake.log.filter(({ result }) => result === invalidValue)).toEqual([{ call, result: invalidValue }]);
  expect(told).toBeInstanceOf(Error);
  expect((told as Error).message).toContain(`${call} `);
  expect((told as Error).message).toContain('failed: CUDA_ERROR_INVALID_VALUE');
  if (told instanceof CudaError) expect(told).toMatchObject({ call, result: invalidValue, code: 'backend-failed' });
  // What could not be released is the one thing that stays; the context may be needed for it.
  const releases = /Destroy|Free|Unload|Release|CtxPush|CtxPop/.test(call);
  expect(fake.held.length).toBeLessThanOrEqual(releases ? 1 : 0);
});
