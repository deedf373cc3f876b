// Short ways to say which tensors a family needs.

import type { LinearParts, NormParts, TensorNeed } from '../architecture.ts';

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

export function repeat<Part>(count: number, part: (index: number) => Part): Part[] {
  return Array.from({ length: count }, (_, index) => part(index));
}
