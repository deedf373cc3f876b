import { DenseAttention, FlashMLAAttention } from '@flashmla/attention';
import { type BackendReport, probeBackends, selectBackend } from '@flashmla/backend';
import { type Dataset, readDataset } from '@flashmla/evaluation';
import { ContentGate, recommendK } from '@flashmla/gating';
import { provider as cpu } from '@flashmla/kernels-cpu';
import { modelFiles, modelUrl } from '@flashmla/model-sentiment';
import { loadModel, type ModelFiles, restoreAttention, swapAttention } from '@flashmla/model-swap';
import { type BackendProvider, type HostTensor, tensor } from '@flashmla/tensor';
import { sequenceClassification, TrainableModel, type TrainReport, train, trainingProblems } from '@flashmla/train';

export const providers: BackendProvider[] = [cpu];
export const files: ModelFiles = modelFiles;
export const folder: URL = modelUrl;
export const x: HostTensor = tensor(new Float32Array(8), [1, 2, 4]);
export const gate = new ContentGate({ k: recommendK(2048) });

export const reviews = (): Promise<Dataset> => readDataset('reviews.jsonl', { task: 'imdb' });

export async function classify(text: string): Promise<string | undefined> {
  const backend = await selectBackend({ prefer: ['webgpu', 'cpu'], threads: 2 });
  const model = await loadModel(modelFiles, { backend });
  swapAttention(model, { k: 32 });
  const attention = new FlashMLAAttention({ dim: 256, heads: 4, k: 16 });
  model.encoder.layer[0]!.attention = attention;
  model.encoder.layer[1]!.attention = new DenseAttention({ dim: 256, heads: 4 });
  const { labels } = await model.run([text]);
  restoreAttention(model);
  await model.dispose();
  await backend.dispose();
  const density: number | undefined = attention.statistics.last?.density;
  return density === undefined ? undefined : labels?.[0];
}

export async function fineTune(ids: Int32Array): Promise<TrainReport> {
  await using backend = await selectBackend({ problems: trainingProblems });
  const config = { model_type: 'bert', id2label: { 0: 'no', 1: 'yes' } };
  using model = await TrainableModel.open({ backend, head: sequenceClassification, config, from: modelFiles });
  return train(model, [{ ids, types: new Int32Array(ids.length), target: 1 }], { sparse: { k: 16 } });
}

export async function missing(): Promise<BackendReport[]> {
  // @ts-expect-error: 'gpu' is no backend
  await selectBackend({ require: 'gpu' });
  return (await probeBackends()).filter(({ installed }) => !installed);
}
