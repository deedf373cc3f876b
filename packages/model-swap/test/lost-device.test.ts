// A device that is lost under a model: on the reference backend, whose device can be taken away at will.

import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type ReferenceBackend, referenceBackend } from '@flashmla/conformance';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModel, type ModelSource } from '../src/index.ts';
import { bits, runAndLose, testSurvival, text } from './support/loss.ts';
import { byRanges, serve, whole } from './support/serve.ts';
import { filesOf, folderOf, tinyBert } from './support/tiny-models.ts';

describe('a model on a device that is lost', () => {
  testSurvival(
    async () => referenceBackend(),
    (backend) => (backend as ReferenceBackend).lose(),
  );

  let backend: ReferenceBackend;
  beforeEach(() => {
    backend = referenceBackend();
  });
  afterEach(() => backend.dispose());

  /** Whether a model from there gives the same after a loss. */
  async function expectSurvives(source: ModelSource, signal?: AbortSignal): Promise<void> {
    await using model = await loadModel(source, { backend, ...(signal && { signal }) });
    const before = await model.run(text);
    expect(await runAndLose(model, () => backend.lose())).toMatchObject({ code: 'device-lost' });
    expect(bits((await model.run(text)).logits!)).toEqual(bits(before.logits!));
  }

  it('reads its weights again from a folder, and from files that were given', async () => {
    await expectSurvives(await folderOf(filesOf(tinyBert())));
    const { 'model.safetensors': weights, ...others } = filesOf(tinyBert());
    await expectSurvives({ ...others, 'model.safetensors': new Blob([new Uint8Array(weights!)]) });
  });

  it('reads them again from a URL, whatever became of the signal of the load', async () => {
    const { url, requests } = await serve(filesOf(tinyBert()), byRanges);
    const controller = new AbortController();
    await using model = await loadModel(url, { backend, signal: controller.signal });
    const before = await model.run(text);
    controller.abort();
    backend.lose();
    requests.length = 0;
    expect(bits((await model.run(text)).logits!)).toEqual(bits(before.logits!));
    expect(requests).toEqual([expect.stringMatching(/^model\.safetensors bytes=0-/)]);
  });

  it('fetches a file that has no ranges once, not for each tensor', async () => {
    const { url, requests } = await serve(filesOf(tinyBert()), whole);
    await expectSurvives(url);
    expect(requests.filter((request) => request.startsWith('model.safetensors'))).toHaveLength(2);
  });

  it('says what is wrong with its files by then, and works when it is mended', async () => {
    const folder = await folderOf(filesOf(tinyBert()));
    await using model = await loadModel(folder, { backend });
    const before = await model.run(text);
    backend.lose();
    const file = join(folder, 'model.safetensors');
    await rename(file, `${file}.away`);
    for (let time = 0; time < 2; time++) {
      await expect(model.run(text)).rejects.toMatchObject({ code: 'invalid-file', message: /model\.safetensors/ });
    }
    await rename(`${file}.away`, file);
    expect(bits((await model.run(text)).logits!)).toEqual(bits(before.logits!));
  });

  it('a run that is aborted does not end the recovery that others wait for', async () => {
    const files = filesOf(tinyBert());
    const weights = files['model.safetensors']!;
    let release = () => {};
    let held: Promise<void> | undefined;
    const read = async (offset: number, byteLength: number) => {
      await held;
      return weights.slice(offset, offset + byteLength);
    };
    const source = { ...files, 'model.safetensors': { byteLength: weights.byteLength, read } };
    await using model = await loadModel(source, { backend });
    const before = await model.run(text);
    backend.lose();
    held = new Promise((resolve) => {
      release = resolve;
    });
    const reason = new Error('no longer wanted');
    const controller = new AbortController();
    const runs = [model.run(text, { signal: controller.signal }), model.run(text)];
    setTimeout(() => controller.abort(reason));
    await expect(runs[0]).rejects.toBe(reason);
    release();
    expect(bits((await runs[1]!).logits!)).toEqual(bits(before.logits!));
  });

  it('a model that is disposed is not read again', async () => {
    const model = await loadModel(filesOf(tinyBert()), { backend });
    backend.lose();
    await model.dispose();
    await backend.recover();
    expect(backend.memory().usedBytes).toBe(0);
  });
});
