// A device that is lost under a gate: its own weights come back, and a call on host tensors needs nothing else.

import { referenceBackend } from '@flashmla/conformance';
import { randomSource, randomUniform, tensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { BlockGate, ContentGate, type Gate, SlotGate } from '../src/index.ts';
import { clustered } from './data.ts';

const sizes = { batch: 1, heads: 2, tokens: 40, headDim: 8 };
const random = randomSource(1);
const randomTensor = (...shape: number[]) =>
  tensor(
    randomUniform(
      shape.reduce((a, b) => a * b),
      random,
    ),
    shape,
  );

it.each<[string, () => Gate]>([
  ['content', () => new ContentGate({ shape: 'lists', rank: 4 })],
  ['slot', () => new SlotGate({ slotCount: 4 })],
  ['block', () => new BlockGate({ block: 4, weights: { query: randomTensor(2, 8, 3), key: randomTensor(2, 24, 3) } })],
])('the %s gate selects the same after a loss', async (_, make) => {
  await using backend = referenceBackend();
  using gate = make() as Gate & Disposable;
  const { query, key } = clustered(sizes, 1);
  const hidden = randomTensor(1, sizes.tokens, 12);
  const select = async () => {
    const selection = await gate.select({ backend, query, key, hidden, k: 8 });
    const lists = [...((await selection.indices.data()) as Int32Array)];
    selection.dispose();
    return lists;
  };
  const before = await select();
  const { usedBytes } = backend.memory();
  const inFlight = select();
  backend.lose();
  await expect(inFlight).rejects.toMatchObject({ code: 'device-lost' });
  expect(await select()).toEqual(before);
  expect(backend.memory().usedBytes).toBe(usedBytes);
});
