// Whether a backend can train: one problem of each op that training needs and inference does not.

import { type Backend, FlashMLAError, type Problem } from '@flashmla/tensor';

const attention = {
  ...({ batch: 1, heads: 1, queries: 64, keys: 64, headDim: 64, layout: 'tokens-first' } as const),
  ...{ scale: 1, mask: false, causal: false },
};
const elements = 64;

/** What a backend has to support for a model to be trained on it, for `selectBackend({ problems })`. */
export const trainingProblems: readonly Problem[] = [
  { op: 'linear-gradient', rows: 1, inFeatures: 64, outFeatures: 64, bias: true, activation: 'gelu' },
  { op: 'layer-norm-gradient', rows: 1, modelDim: 64, epsilon: 1e-12, residual: true },
  { op: 'embedding-gradient', rows: 1, modelDim: 64, vocabulary: 64, positions: 64, types: 2 },
  { op: 'dense-attention-gradient', ...attention },
  {
    ...{ op: 'sparse-attention-gradient', ...attention, tileQueries: 1, blockKeys: 1, slots: 16 },
    ...{ keyOrder: true, queryOrder: false, residualGroup: 16 },
  },
  { op: 'cross-entropy', rows: 1, classes: 2, scale: 1 },
  { op: 'activation', elements, activation: 'gelu' },
  { op: 'activation-gradient', elements, activation: 'gelu' },
  { op: 'add', elements },
  { op: 'dropout', elements, rate: 0.1 },
  { op: 'cast', elements, from: 'float32', to: 'float16' },
  { op: 'sum-of-squares', elements },
  { op: 'adam-w', elements, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
];

/** @throws FlashMLAError 'unsupported' where the backend lacks an op of training */
export function checkTrains(backend: Backend): void {
  for (const problem of trainingProblems) {
    const support = backend.supports(problem);
    if (support.supported) continue;
    throw new FlashMLAError(
      'unsupported',
      `[train] ${backend.name} can't train: ${support.reason}; ${support.advice}.`,
    );
  }
}
