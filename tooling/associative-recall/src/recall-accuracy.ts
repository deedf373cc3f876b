// How many queries of associative recall a model answers, with each kind of attention.

import { accuracy, associativeRecall } from '@flashmla/evaluation';
import { type EncoderModel, loadModel, type RunOptions, type SwapOptions, swapAttention } from '@flashmla/model-swap';
import type { Backend } from '@flashmla/tensor';

/** Of the task that the model was trained on. */
const keys = 4096;
const values = 8;
const seed = 1;

/** The folder of the trained model. */
export const modelFolder = new URL('../model/', import.meta.url);

export const loadRecallModel = (backend: Backend): Promise<EncoderModel> => loadModel(modelFolder, { backend });

/**
 * Share of the queries that are answered rightly, over sequences that training has never seen.
 *
 * @param gate what picks the keys; undefined: dense attention
 */
export async function recallAccuracy(
  model: EncoderModel,
  { tokens, sequences, k }: { tokens: number; sequences: number; k: number },
  gate: SwapOptions['gate'],
): Promise<number> {
  if (gate) swapAttention(model, { gate, k, crossover: 0 });
  const attention: RunOptions = gate ? {} : { attention: (layer) => layer.dense };
  const answers: number[] = [];
  const expected: number[] = [];
  for (const { ids, types, labels } of associativeRecall({ tokens, keys, values, seed }).evaluationSet(sequences)) {
    const text = { ids, types, truncated: false };
    const { tokenLabels } = await model.run([text], { ...attention, hidden: false });
    for (const { index, label } of tokenLabels![0]!) {
      if (labels[index]! < 0) continue;
      answers.push(model.labels.indexOf(label));
      expected.push(labels[index]!);
    }
  }
  return accuracy(answers, expected);
}
