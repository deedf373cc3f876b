// A model of one layer whose queries, keys and values are synthetic: what calibrateGates asks of a model, and no more.

import type { Backend } from '@flashmla/tensor';
import type { CalibrationModel, GatedLayer, LayerSample, LearnableGate } from '../../src/index.ts';
import { clustered, inLayout } from '../data.ts';

export const dimensions = { heads: 2, headDim: 8 };
export const texts = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'];

export interface FakeModelOptions {
  gate: LearnableGate;
  k: number;
  tokens?: number;
  /** Of the logits; see `clustered`. */
  sharpness?: number;
  /** Makes the logits of the second head next to nothing. */
  flatSecondHead?: boolean;
}

/** A text is the number of a sample. */
export function fakeModel(
  backend: Backend,
  { gate, k, tokens = 160, sharpness = 1, flatSecondHead = false }: FakeModelOptions,
) {
  const remembered: number[] = [];
  const model: CalibrationModel = {
    backend,
    gatedLayers: (): GatedLayer[] => [{ layer: 0, gate, k, ...dimensions, remember: () => remembered.push(0) }],
    async sampleLayer(_layer, given, { maxTokens }, use) {
      for (const text of given) {
        const shape = { batch: 1, ...dimensions, tokens: Math.min(tokens, maxTokens), sharpness };
        const sample = sampleOfText(shape, Number(text));
        const { heads, headDim } = dimensions;
        const isFlat = (i: number) => flatSecondHead && Math.floor(i / headDim) % heads === 1;
        use({ ...sample, query: sample.query.map((value, i) => (isFlat(i) ? value / 20 : value)) });
      }
    },
  };
  return { model, remembered };
}

function sampleOfText(shape: Parameters<typeof clustered>[0], seed: number): LayerSample {
  const inputs = clustered(shape, seed);
  const rows = (which: keyof typeof inputs) => inLayout(inputs[which], 'tokens-first').array as Float32Array;
  const [query, key, value] = [rows('query'), rows('key'), rows('value')];
  // Hidden states from which queries and keys can be had: both of them, side by side.
  const width = shape.heads * shape.headDim;
  const hidden = new Float32Array(2 * query.length);
  for (let token = 0; token < shape.tokens; token++) {
    hidden.set(query.subarray(token * width, (token + 1) * width), 2 * token * width);
    hidden.set(key.subarray(token * width, (token + 1) * width), (2 * token + 1) * width);
  }
  return { tokens: shape.tokens, query, key, value, hidden };
}
