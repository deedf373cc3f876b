// How many queries of associative recall a model answers, with each kind of attention.

import { accuracy, associativeRecall } from '@flashmla/evaluation';
import { type EncoderModel, loadModel, readTensors, type SwapOptions, swapAttention } from '@flashmla/model-swap';
import type { Backend } from '@flashmla/tensor';

/** Of the task that the model was trained on. */
const keys = 4096;
const values = 8;
const seed = 1;

/** The folder of the trained model. */
export const modelFolder = new URL('../model/', import.meta.url);

/** The encoder, and the layer on it that says which value each token asks for. */
export interface RecallModel {
  readonly encoder: EncoderModel;
  /** Logits of a hidden state: weight [values, modelDim] and bias [values]. */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

export async function loadRecallModel(backend: Backend): Promise<RecallModel> {
  const encoder = await loadModel(modelFolder, { backend });
  const needs = [
    { name: 'classifier.weight', shape: [values, encoder.architecture.modelDim], linear: true },
    { name: 'classifier.bias', shape: [values], linear: false },
  ];
  const tensors = [...(await readTensors(modelFolder, needs, { prefix: '' })).values()];
  const [weight, bias] = tensors.map(({ array }) => array as Float32Array);
  return { encoder, weight: weight!, bias: bias! };
}

/**
 * Share of the queries that are answered rightly, over sequences that training has never seen.
 *
 * @param gate what picks the keys; undefined: dense attention
 */
export async function recallAccuracy(
  { encoder, weight, bias }: RecallModel,
  { tokens, sequences, k }: { tokens: number; sequences: number; k: number },
  gate: SwapOptions['gate'],
): Promise<number> {
  if (gate) swapAttention(encoder, { gate, k, crossover: 0 });
  const answers: number[] = [];
  const expected: number[] = [];
  for (const { ids, types, labels } of associativeRecall({ tokens, keys, values, seed }).evaluationSet(sequences)) {
    const text = { ids, types, truncated: false };
    const { lastHiddenState } = await encoder.run([text], gate ? {} : { attention: (layer) => layer.dense });
    const hidden = lastHiddenState.array as Float32Array;
    labels.forEach((label, token) => {
      if (label < 0) return;
      answers.push(largest(logits(hidden, token, weight, bias)));
      expected.push(label);
    });
  }
  return accuracy(answers, expected);
}

function logits(hidden: Float32Array, token: number, weight: Float32Array, bias: Float32Array): Float32Array {
  const modelDim = weight.length / bias.length;
  return bias.map((start, value) => {
    let sum = start;
    for (let d = 0; d < modelDim; d++) sum += weight[value * modelDim + d]! * hidden[token * modelDim + d]!;
    return sum;
  });
}

const largest = (numbers: Float32Array) => numbers.indexOf(numbers.reduce((a, b) => Math.max(a, b)));
