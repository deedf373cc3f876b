// A model's sizes and weights in ordinary memory, for those who write it in another form, or compute with it themselves.

import { castTo, type HostTensor } from '@flashmla/tensor';
import type { Architecture, EncoderParts, TensorNeed } from './architecture.ts';
import { architectureOf } from './families/index.ts';
import { type ModelSource, openFolder } from './files/model-folder.ts';
import { type JsonObject, requireJson } from './files/text-file.ts';
import { findTensor, openWeights, readWeights } from './weights.ts';

/**
 * Reads config.json and the weights of a Hugging Face encoder; nothing is uploaded.
 *
 * @param source as for loadModel
 * @returns the sizes, and every tensor as float32 by the part it plays
 * @throws FlashMLAError as loadModel does
 */
export async function readModel(
  source: ModelSource,
  { signal }: { signal?: AbortSignal } = {},
): Promise<{ architecture: Architecture; parts: EncoderParts<HostTensor> }> {
  const folder = openFolder(source, signal);
  const architecture = architectureOf(await requireJson(folder, 'config.json', 'give a Hugging Face model folder.'));
  return { architecture, parts: await readWeights(architecture, await openWeights(folder), signal) };
}

/** What config.json of a Hugging Face folder says, as it is. @throws FlashMLAError 'invalid-file' */
export function readConfig(source: ModelSource, { signal }: { signal?: AbortSignal } = {}): Promise<JsonObject> {
  return requireJson(openFolder(source, signal), 'config.json', 'give a Hugging Face model folder.');
}

/**
 * Those of `needs` that the weights in a Hugging Face folder have, in the needed shape, as float32; nothing is uploaded.
 * For who takes over what fits of a model and makes the rest anew.
 *
 * @param prefix that the names in the file may lack, see Architecture
 */
export async function readTensors(
  source: ModelSource,
  needs: readonly TensorNeed[],
  { prefix, signal }: { prefix: string; signal?: AbortSignal | undefined },
): Promise<Map<TensorNeed, HostTensor>> {
  const { reader } = await openWeights(openFolder(source, signal));
  const names = new Set(reader.names);
  const tensors = new Map<TensorNeed, HostTensor>();
  for (const need of needs) {
    signal?.throwIfAborted();
    const name = findTensor(need, prefix, names);
    if (name === undefined) continue;
    const found = await reader.read(name);
    if (`${found.shape}` === `${need.shape}`) tensors.set(need, castTo(found, 'float32'));
  }
  return tensors;
}
