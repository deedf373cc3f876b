import { FlashMLAAttention } from '@flashmla/attention';
import { probeBackends, selectBackend } from '@flashmla/backend';
import { tensor } from '@flashmla/tensor';

const x = tensor(
  Float32Array.from({ length: 256 * 64 }, (_, i) => Math.sin(i)),
  [1, 256, 64],
);
const attention = new FlashMLAAttention({ dim: 64, heads: 2, k: 16, crossover: 0 });
const y = await attention.forward(x);
const finite = (await y.data()).every(Number.isFinite);
y.dispose();

const { message } = await selectBackend({ require: 'webgpu' }).catch((error) => error);
const { chosen } = attention.statistics.last;
console.log(JSON.stringify({ shape: y.shape, finite, chosen, reports: await probeBackends(), message }));
