// Short ways to say which tensors a family needs.

import type { HeadParts, LinearParts, NormParts, TensorNeed } from '../architecture.ts';

export function table(name: string, rows: number, modelDim: number): TensorNeed {
  return { name, shape: [rows, modelDim], linear: false };
}

export function linear(name: string, outFeatures: number, inFeatures: number): LinearParts<TensorNeed> {
  return {
    weight: { name: `${name}.weight`, shape: [outFeatures, inFeatures], linear: true },
    bias: { name: `${name}.bias`, shape: [outFeatures], linear: false },
  };
}

export function norm(name: string, modelDim: number): NormParts<TensorNeed> {
  return {
    weight: { name: `${name}.weight`, shape: [modelDim], linear: false },
    bias: { name: `${name}.bias`, shape: [modelDim], linear: false },
  };
}

/** A hidden layer and a norm; the output layer is the table of word embeddings, with a bias of its own. */
export function languageModel(
  [hidden, evened, bias]: readonly [hidden: string, norm: string, bias: string],
  { modelDim, vocabulary }: { modelDim: number; vocabulary: number },
): HeadParts<TensorNeed> {
  return {
    hidden: linear(hidden, modelDim, modelDim),
    norm: norm(evened, modelDim),
    output: { bias: { name: bias, shape: [vocabulary], linear: false } },
  };
}

export function repeat<Part>(count: number, part: (index: number) => Part): Part[] {
  return Array.from({ length: count }, (_, index) => part(index));
}
