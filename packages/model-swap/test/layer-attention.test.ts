import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ContentGate } from '@flashmla/gating';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  attentionOf,
  fitGates,
  type LayerAttention,
  loadModel,
  restoreAttention,
  saveAttention,
  saveGates,
  setAttention,
  swapAttention,
} from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, folderOf, SIZES, tinyBert } from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const TEXT = 'the film was very very bad and not good, and a bad film was not very good at all. '.repeat(3);
const layers: readonly LayerAttention[] = [
  { gate: 'content', k: 8, shape: 'lists', crossover: 12 },
  'dense',
  { gate: 'block', k: 8, block: 4, crossover: 0 },
];

/** A folder of a model of three layers that attend each in a way of its own, and the logits it gave. */
async function chosenModel() {
  const folder = await folderOf(filesOf(tinyBert(1, { ...SIZES, layers: 3 })));
  const model = await loadModel(folder, { backend, dtype: 'int8' });
  swapAttention(model, { k: 8, gate: () => new ContentGate({ shape: 'lists' }), crossover: 0 });
  await fitGates(model, [TEXT]);
  const state = model.gates.get(0)!;
  if (state.gate === 'content') model.gates.set(0, { ...state, shares: [0.5, 1.5] });
  setAttention(model, layers);
  await saveAttention(model, folder);
  const { lastHiddenState } = await model.run(TEXT);
  await model.dispose();
  return { folder, hidden: lastHiddenState.array };
}

it('a model attends as it did when its attention was saved, in the same precision', async () => {
  const { folder, hidden } = await chosenModel();
  const model = await loadModel(folder, { backend });
  expect(model.dtype).toBe('int8');
  expect(model.chosen).toEqual({ dtype: 'int8', layers });
  // Loaded, it is dense like any other; who swaps without options gets what was chosen.
  expect(attentionOf(model).layers).toEqual(['dense', 'dense', 'dense']);
  expect(swapAttention(model)).toEqual({
    layers: [
      { layer: 0, gate: 'content', k: 8, crossover: 12, needsFit: false },
      { layer: 2, gate: 'block', k: 8, crossover: 0, needsFit: false },
    ],
    unchanged: [1],
  });
  expect((await model.run(TEXT)).lastHiddenState.array).toEqual(hidden);
  expect(attentionOf(model)).toEqual({ dtype: 'int8', layers });
  // An option says it anew.
  swapAttention(model, { k: 16 });
  expect(attentionOf(model).layers).toEqual(Array.from({ length: 3 }, () => ({ gate: 'content', k: 16 })));
  restoreAttention(model);
  expect((await model.run(TEXT)).lastHiddenState.array).not.toEqual(hidden);
  await model.dispose();
  const other = await loadModel(folder, { backend, dtype: 'float32' });
  expect(other.dtype).toBe('float32');
  await other.dispose();
});

it('what was chosen is kept when gates are fitted again and saved, whatever the precision they are fitted in', async () => {
  const { folder } = await chosenModel();
  const model = await loadModel(folder, { backend, dtype: 'float32' });
  swapAttention(model);
  await fitGates(model, [TEXT.slice(20)]);
  await saveGates(model, folder);
  await model.dispose();
  const again = await loadModel(folder, { backend });
  expect(again.chosen).toEqual({ dtype: 'int8', layers });
  await again.dispose();
});

it('what the file says of attention is checked when it is loaded', async () => {
  const { folder } = await chosenModel();
  const path = join(folder, 'gates.json');
  const description = JSON.parse(await readFile(path, 'utf8'));
  const refused = async (attention: unknown) => {
    await writeFile(path, JSON.stringify({ ...description, attention }));
    await expect(loadModel(folder, { backend })).rejects.toThrow(
      /^\[model-swap\] gates\.json: attention is .*expected a dtype and for each of 3 layers/,
    );
  };
  const { dtype } = description.attention;
  await refused({ dtype: 'float8', layers });
  await refused({ dtype, layers: layers.slice(1) });
  await refused({ dtype, layers: ['dense', 'dense', 'sparse'] });
  await refused({ dtype, layers: ['dense', 'dense', { gate: 'content', k: 0 }] });
  await refused({ dtype, layers: ['dense', 'dense', { gate: 'slot', shape: 'lists' }] });
});

it('a module of another make can not be described', async () => {
  const model = await loadModel(filesOf(tinyBert()), { backend });
  const { dense } = model.encoder.layer[0]!;
  model.encoder.layer[0]!.attention = {
    ...{ dim: dense.dim, heads: dense.heads },
    forward: (x, options) => dense.forward(x, options),
    dispose() {},
  };
  expect(() => attentionOf(model)).toThrow(/layer 0 has an attention of the caller's own making/);
  await model.dispose();
});
