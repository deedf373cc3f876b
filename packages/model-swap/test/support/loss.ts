// What a model does when the device under it is lost, on any backend that can lose one.

import { ContentGate } from '@flashmla/gating';
import type { Backend, HostTensor } from '@flashmla/tensor';
import { expect, test } from 'vitest';
import { type EncoderModel, loadModel, swapAttention } from '../../src/index.ts';
import { filesOf, tinyBert } from './tiny-models.ts';

export const text = 'the film was very very bad and not good, and a bad film was not very good at all.';

export const bits = ({ array }: HostTensor) => [...new Uint32Array(array.buffer, array.byteOffset, array.length)];

/** Runs a text, and takes the device away when half of the layers are done. */
export async function runAndLose(model: EncoderModel, lose: () => void): Promise<unknown> {
  const progress = ({ done, total }: { done: number; total: number }) => {
    if (2 * done === total) lose();
  };
  return model.run(text, { progress }).then(
    () => 'the run went through',
    (error: unknown) => error,
  );
}

/** Registers the test that a model, dense and swapped, survives its device, twice in a row. */
export function testSurvival(open: () => Promise<Backend>, lose: (backend: Backend) => void): void {
  test('a run in flight rejects, the next gives the same to the bit, twice in a row', async () => {
    await using backend = await open();
    await using model = await loadModel(filesOf(tinyBert()), { backend });
    const dense = await model.run(text);
    swapAttention(model, { k: 8, crossover: 0, gate: () => new ContentGate({ shape: 'lists', rank: 8 }) });
    const sparse = await model.run(text);
    expect(bits(sparse.logits!)).not.toEqual(bits(dense.logits!));
    const { usedBytes } = backend.memory();
    for (let time = 0; time < 2; time++) {
      expect(await runAndLose(model, () => lose(backend))).toMatchObject({ code: 'device-lost' });
      expect(bits((await model.run(text)).lastHiddenState)).toEqual(bits(sparse.lastHiddenState));
      expect(backend.memory().usedBytes).toBe(usedBytes);
    }
  });
}
