// Which training a checkpoint is of.

import { sha256 } from '@flashmla/tensor';
import type { Example } from './example.ts';
import type { TrainableModel } from './model.ts';

/**
 * The SHA-256 of what decides a training: the model with its weights, the examples, and the options.
 *
 * @param examples those of the first epoch, which stand for all
 */
export async function fingerprint(
  model: TrainableModel,
  examples: readonly Example[],
  options: object,
): Promise<string> {
  const weights: string[] = [];
  for (const { name, tensor } of model.parameters) weights.push(name, await sha256(await tensor.data()));
  const of = (values: (example: Example) => Int32Array) => sha256(joined(examples.map(values)));
  const tokens = [await of(({ ids }) => ids), await of(({ types }) => types), await of(labelsOf)];
  const described = examples.map(({ ids, target }) => [ids.length, typeof target === 'number' ? target : null]);
  const text = JSON.stringify([model.config, model.head.name, weights, tokens, described, options]);
  return sha256(text);
}

const labelsOf = ({ target }: Example) => (target instanceof Int32Array ? target : new Int32Array());

function joined(lists: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let from = 0;
  for (const list of lists) {
    all.set(list, from);
    from += list.length;
  }
  return all;
}
