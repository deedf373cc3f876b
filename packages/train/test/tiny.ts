// A model small enough to be trained within a test, and texts that it can learn: is most of a text made of early words?

import { provider } from '@flashmla/kernels-cpu';
import type { Backend } from '@flashmla/tensor';
import { randomSource } from '@flashmla/tensor';
import { afterAll, beforeAll } from 'vitest';
import type { Example } from '../src/example.ts';
import type { Head } from '../src/heads/head.ts';
import { sequenceClassification } from '../src/heads/sequence-classification.ts';
import { TrainableModel } from '../src/model.ts';

export const config = {
  ...{ model_type: 'bert', hidden_size: 32, num_attention_heads: 2, intermediate_size: 48, num_hidden_layers: 2 },
  ...{ vocab_size: 50, max_position_embeddings: 64, type_vocab_size: 2, num_labels: 2, hidden_act: 'gelu' },
};

/** A backend for the tests of a file, in `.current`. */
export function openBackend(): { current: Backend } {
  const opened = {} as { current: Backend };
  beforeAll(async () => {
    opened.current = await provider.open({ threads: 2 });
  });
  afterAll(() => opened.current.dispose());
  return opened;
}

export const openModel = (backend: Backend, head: Head = sequenceClassification, more: object = {}) =>
  TrainableModel.open({ backend, head, config: { ...config, ...more } });

export function texts(count: number, { seed = 1, least = 8, most = 32 } = {}): Example[] {
  const random = randomSource(seed);
  return Array.from({ length: count }, () => {
    const length = least + Math.floor(random() * (most - least + 1));
    const ids = Int32Array.from({ length }, () => 5 + Math.floor(random() * 45));
    const early = ids.filter((id) => id < 28).length;
    return { ids, types: new Int32Array(length), target: early > length / 2 ? 1 : 0 };
  });
}
