import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FlashMLAAttention } from '@flashmla/attention';
import { ContentGate, calibrateGates } from '@flashmla/gating';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fitGates, loadModel, saveGates, swapAttention } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, folderOf, tinyBert } from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const TEXT = 'the film was very very bad and not good, and a bad film was not very good at all. '.repeat(3);
const swap = { k: 8, crossover: 0, gate: () => new ContentGate({ shape: 'lists' }) };

/** A model folder with fitted gates in it, and the logits the fitted model gave. */
async function savedModel() {
  const folder = await folderOf(filesOf(tinyBert()));
  const model = await loadModel(folder, { backend });
  swapAttention(model, swap);
  await fitGates(model, [TEXT]);
  await saveGates(model, folder);
  const { logits } = await model.run(TEXT);
  await model.dispose();
  return { folder, logits: logits!.array };
}

describe('saveGates and loadModel', () => {
  it('keep fitted gates beside the model', async () => {
    const { folder, logits } = await savedModel();
    expect((await readdir(folder)).sort()).toEqual([
      'config.json',
      'gates.json',
      'gates.safetensors',
      'model.safetensors',
      'tokenizer.json',
    ]);
    const model = await loadModel(folder, { backend });
    const report = swapAttention(model, swap);
    expect(report.layers.map(({ needsFit }) => needsFit)).toEqual([false, false]);
    expect((await model.run(TEXT)).logits!.array).toEqual(logits);
    const { gate } = model.encoder.layer[0]!.attention as FlashMLAAttention;
    expect((gate as ContentGate).state()).toEqual(model.gates.get(0));
    await model.dispose();
  });

  it.each(['block', 'slot'] as const)('keep what a %s gate learned, for gates of that kind', async (gate) => {
    const folder = await folderOf(filesOf(tinyBert()));
    const model = await loadModel(folder, { backend });
    swapAttention(model, { k: 16, crossover: 0, gate });
    await calibrateGates(model, [TEXT, TEXT.slice(20)], { steps: 5 });
    await saveGates(model, folder);
    const { logits } = await model.run(TEXT);
    await model.dispose();
    const again = await loadModel(folder, { backend });
    swapAttention(again, { k: 16, crossover: 0, gate });
    expect((await again.run(TEXT)).logits!.array).toEqual(logits!.array);
    // A gate of another kind goes its own way.
    swapAttention(again, swap);
    expect((again.encoder.layer[0]!.attention as FlashMLAAttention).gate).toMatchObject({ fitted: false });
    await again.dispose();
  });

  it('keep how a budget is spread over the heads', async () => {
    const folder = await folderOf(filesOf(tinyBert()));
    const model = await loadModel(folder, { backend });
    swapAttention(model, swap);
    await fitGates(model, [TEXT]);
    const gateOf = (one: typeof model) => (one.encoder.layer[1]!.attention as FlashMLAAttention).gate as ContentGate;
    gateOf(model).load({ ...gateOf(model).state(), shares: [0.5, 1.5] });
    await saveGates(model, folder);
    const { logits } = await model.run(TEXT);
    await model.dispose();
    const again = await loadModel(folder, { backend });
    swapAttention(again, swap);
    expect((await again.run(TEXT)).logits!.array).toEqual(logits!.array);
    expect(gateOf(again).state()).toMatchObject({ shares: [0.5, 1.5] });
    await again.dispose();
  });

  it('write the same bytes for the same gates', async () => {
    const [first, second] = [await savedModel(), await savedModel()];
    for (const name of ['gates.json', 'gates.safetensors']) {
      expect(await readFile(join(first.folder, name))).toEqual(await readFile(join(second.folder, name)));
    }
  });

  it('leave a gate that the caller fitted as it is', async () => {
    const { folder } = await savedModel();
    const model = await loadModel(folder, { backend });
    const { heads, headDim } = model.architecture;
    const noise = () => Float32Array.from({ length: 30 * heads * headDim }, (_, i) => Math.sin(i * i));
    const gate = new ContentGate();
    await gate.fit([{ query: noise(), key: noise(), tokens: 30 }], { heads, headDim });
    const own = gate.state();
    model.encoder.layer[0]!.attention = new FlashMLAAttention({ dim: 24, heads: 2, k: 8, gate });
    expect(gate.state()).toEqual(own);
    await model.dispose();
  });

  it('write both files or none', async () => {
    const folder = await folderOf({ ...filesOf(tinyBert()), taken: 'a file' });
    const model = await loadModel(folder, { backend });
    await expect(saveGates(model, folder)).rejects.toThrow('[model-swap] no gate is fitted');
    swapAttention(model, swap);
    await fitGates(model, [TEXT]);
    const before = await readdir(folder);
    await expect(saveGates(model, join(folder, 'taken'))).rejects.toThrow(
      /\[model-swap\] gates can't be written to .*taken/,
    );
    expect(await readdir(folder)).toEqual(before);
    await model.dispose();
  });

  it.each([
    ['a missing half', 'gates.safetensors', undefined, 'gates.safetensors: gates.json is there, but this file is not'],
    [
      'another format',
      'gates.json',
      '{"format":"other"}',
      'gates.json: it is "other" version undefined; expected "flashmla-gates" version 1',
    ],
    ['no JSON', 'gates.json', '{', 'gates.json: the file in the given files is not JSON'],
  ])('refuse %s', async (_, name, content, message) => {
    const { folder } = await savedModel();
    const names = await readdir(folder);
    const files = Object.fromEntries(
      await Promise.all(names.map(async (file) => [file, new Uint8Array(await readFile(join(folder, file)))] as const)),
    );
    if (content === undefined) delete files[name];
    else files[name] = new TextEncoder().encode(content);
    await expect(loadModel(files, { backend })).rejects.toThrow(`[model-swap] ${message}`);
  });

  it('refuse halves of two fits, and gates of another model', async () => {
    const { folder } = await savedModel();
    const path = join(folder, 'gates.json');
    const description = JSON.parse(await readFile(path, 'utf8'));
    const refused = async (changed: unknown, message: string) => {
      await writeFile(path, JSON.stringify(changed));
      await expect(loadModel(folder, { backend })).rejects.toThrow(message);
    };
    await refused({ ...description, mark: 'other' }, 'gates.safetensors: it was not written together with gates.json');
    const strange = { ...description, layers: { 7: description.layers[0] } };
    await refused(strange, 'gates.json: layer 7 is {"gate":"content"');
    const { layers } = description;
    await refused(
      { ...description, layers: { 0: { ...layers[0], ranks: [4] } } },
      'expected a content gate with 2 ranks',
    );
    await refused(
      { ...description, layers: { 0: { ...layers[0], shares: [1, 1, 1] } } },
      'expected a content gate with 2 ranks',
    );
  });
});
