// What the benchmark calls 'built-in texts' and 'first run' must be what users get.

import { fileURLToPath } from 'node:url';
import type { FlashMLAAttention } from '@flashmla/attention';
import type { ContentGate } from '@flashmla/gating';
import { provider } from '@flashmla/kernels-cpu';
import { modelUrl } from '@flashmla/model-sentiment';
import { type EncoderModel, fitGates, loadModel, swapAttention } from '@flashmla/model-swap';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GateSpaces, listKeys } from '../src/gate-error/gate-spaces.ts';
import { Projector, readLayerWeights } from '../src/gate-error/projections.ts';
import { builtInTexts, firstRunTexts } from '../src/gate-error/texts.ts';

const folder = fileURLToPath(modelUrl);
/** One will do: fitting takes its time. */
const layer = 1;
let backend: Backend;
let model: EncoderModel;
let spaces: GateSpaces;

beforeAll(async () => {
  backend = await provider.open({ threads: 1 });
  model = await loadModel(folder, { backend });
  // It brings gates; what is looked at is a model that does not.
  model.gates.clear();
  const weights = await readLayerWeights(folder, model.architecture);
  const projector = new Projector(model, weights);
  spaces = new GateSpaces(model.architecture, weights);
  await spaces.addTexts('built-in texts', builtInTexts(model), projector);
  await spaces.addTexts('first run', firstRunTexts(model), projector);
  swapAttention(model, { k: listKeys, crossover: 0, layers: [layer] });
});

afterAll(async () => {
  await model.dispose();
  await backend.dispose();
});

test('the first run of a swapped model fits the same gates', async () => {
  await model.run(Array.from({ length: 60 }, () => 'a long text').join(' '), { hidden: false });
  const { gate } = model.encoder.layer[layer].attention as FlashMLAAttention;
  expect((gate as ContentGate).state()).toEqual(await spaces.get({ source: 'first run' }, layer, 1));
});

test('fitGates without texts fits the same gates', async () => {
  await fitGates(model);
  expect(model.gates.get(layer)).toEqual(await spaces.get({ source: 'built-in texts' }, layer, 1));
});
