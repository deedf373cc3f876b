// A model's sizes and weights in ordinary memory, for those who write it in another form, or compute with it themselves.

import type { HostTensor } from '@flashmla/tensor';
import type { Architecture, EncoderParts } from './architecture.ts';
import { architectureOf } from './families/index.ts';
import { type ModelSource, openFolder } from './files/model-folder.ts';
import { requireJson } from './files/text-file.ts';
import { openWeights, readWeights } from './weights.ts';

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
