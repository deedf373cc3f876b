// The tokenizer in a model's folder.

import type { Architecture } from './architecture.ts';
import { type ModelFolder, type ModelSource, openFolder } from './files/model-folder.ts';
import { readJson, requireJson } from './files/text-file.ts';
import { TextTokenizer } from './tokenizer.ts';

/** What of a model its tokenizer has to fit. */
export type TokenizerLimits = Pick<Architecture, 'vocabulary' | 'maxTokens'>;

/**
 * The tokenizer of a Hugging Face folder: tokenizer.json and, where it is there, tokenizer_config.json.
 *
 * @param limits default: none, for a model that is to be made for it
 * @throws FlashMLAError 'invalid-file'
 */
export function readTokenizer(
  source: ModelSource,
  limits: TokenizerLimits = { vocabulary: Number.POSITIVE_INFINITY, maxTokens: Number.POSITIVE_INFINITY },
): Promise<TextTokenizer> {
  return openTokenizer(openFolder(source), limits);
}

export async function openTokenizer(
  folder: ModelFolder,
  { vocabulary, maxTokens }: TokenizerLimits,
): Promise<TextTokenizer> {
  return new TextTokenizer(
    await requireJson(folder, 'tokenizer.json', 'save the tokenizer in its fast form, which writes it.'),
    (await readJson(folder, 'tokenizer_config.json')) ?? {},
    vocabulary,
    maxTokens,
  );
}
