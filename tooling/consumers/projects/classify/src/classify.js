// One inference, as an application would do it: load, swap attention, run.

import { FlashMLAAttention } from '@flashmla/attention';
import { selectBackend } from '@flashmla/backend';
import { provider as webgl } from '@flashmla/kernels-webgl';
import { provider as webgpu } from '@flashmla/kernels-webgpu';
import { fitGates, loadModel } from '@flashmla/model-swap';

const texts = ['A warm, funny and beautifully acted film.', 'A dull, lifeless mess, and two hours too long.'];

const backends = {
  cpu: () => selectBackend({ require: 'cpu' }),
  native: () => selectBackend({ require: 'native' }),
  // Opened by hand, because selectBackend passes over devices that are software.
  webgpu: () => webgpu.open(),
  webgl: () => webgl.open(),
};

/** @param source the model @param name 'cpu', 'native', 'webgpu' or 'webgl' */
export async function classify(source, name) {
  const backend = await backends[name]();
  const model = await loadModel(source, { backend });
  const { layer } = model.encoder;
  for (const each of layer) each.attention = new FlashMLAAttention({ dim: 256, heads: 4, k: 4, crossover: 0 });
  await fitGates(model, texts);
  const { labels, logits } = await model.run(texts, { hidden: false });
  const result = {
    labels,
    logits: Array.from(await logits.data()),
    attention: layer.map(({ attention }) => attention.statistics.last.chosen),
    backend: backend.name,
    device: backend.device,
  };
  await model.dispose();
  await backend.dispose();
  return result;
}
