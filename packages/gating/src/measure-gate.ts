// How good a gate is on a layer's own queries, keys and values, head by head.

import { type Backend, tensor } from '@flashmla/tensor';
import type { Gate } from './gate.ts';
import { measureSelection, type Quality } from './recall.ts';

/** What a layer's attention reads of one text under dense attention, in host memory. */
export interface LayerSample {
  readonly tokens: number;
  /** [tokens, heads, headDim], as key and value */
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  /** [tokens, modelDim]: what they were projected from. */
  readonly hidden: Float32Array;
}

export interface LayerDimensions {
  readonly heads: number;
  readonly headDim: number;
}

/** For each head. */
export type HeadQualities = readonly Quality[];

export interface MeasureGateOptions extends LayerDimensions {
  readonly backend: Backend;
  /** Keys that a query of a text of so many tokens selects. */
  readonly k: (tokens: number) => number;
  readonly signal?: AbortSignal | undefined;
}

/** Recall and output error of what `gate` selects, against dense attention; mean over the texts. At least one text. */
export async function measureGate(
  gate: Gate,
  samples: readonly LayerSample[],
  { backend, heads, headDim, k, signal }: MeasureGateOptions,
): Promise<HeadQualities> {
  const sums = Array.from({ length: heads }, () => ({ recall: 0, error: 0 }));
  for (const { tokens, query, key, value, hidden } of samples) {
    const upload = (values: Float32Array, ...shape: number[]) => backend.upload(tensor(values, shape));
    const uploaded = [query, key, value].map((values) => upload(values, 1, tokens, heads, headDim));
    const states = upload(hidden, 1, tokens, hidden.length / tokens);
    try {
      const inputs = { backend, query: uploaded[0], key: uploaded[1], layout: 'tokens-first', signal } as const;
      using selection = await gate.select({ ...inputs, hidden: states, k: k(tokens) });
      const qualities = await measureSelection({ ...inputs, value: uploaded[2], selection });
      for (const [head, { recall, error }] of qualities.heads.entries()) {
        sums[head].recall += recall / samples.length;
        sums[head].error += error / samples.length;
      }
    } finally {
      for (const one of [...uploaded, states]) one.dispose();
    }
  }
  return sums;
}
