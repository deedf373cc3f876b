// Which texts gates are fitted to, and which they are measured on.

import { readFile } from 'node:fs/promises';
import { type EncodedText, type EncoderModel, sampleTexts } from '@flashmla/model-swap';
import { badInput } from '../command.ts';

const fewestTokens = 500;
const mostTokens = 900;

/**
 * The first texts of a JSONL file ({ a } or { text } rows) that have 500 to 900 tokens, in the file's order.
 *
 * @param skip suitable texts to leave out first
 */
export async function chooseTexts(model: EncoderModel, file: string, count: number, skip: number) {
  const chosen: EncodedText[] = [];
  let left = skip;
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    if (line === '') continue;
    const { a, text = a } = JSON.parse(line) as { a?: string; text?: string };
    if (text === undefined) throw badInput(`${file}: a row has neither 'a' nor 'text'; give rows of { text }.`);
    const [encoded] = model.encode(text);
    if (encoded.ids.length < fewestTokens || encoded.ids.length > mostTokens) continue;
    if (left-- > 0) continue;
    chosen.push(encoded);
    if (chosen.length === count) return chosen;
  }
  throw badInput(
    `${file} has ${skip + chosen.length} texts of ${fewestTokens} to ${mostTokens} tokens; ${skip + count} are needed.`,
  );
}

/** What `fitGates` of @flashmla/model-swap fits to when it is given no texts. */
export function builtInTexts(model: EncoderModel): EncodedText[] {
  return model.encode(sampleTexts, { maxTokens: 512 });
}

/** What a model fits unfitted gates to on its first run: about the first thousand tokens of the built-in texts. */
export function firstRunTexts(model: EncoderModel): EncodedText[] {
  const chosen: EncodedText[] = [];
  let left = 1024;
  for (const text of sampleTexts) {
    if (left < 128) break;
    const [encoded] = model.encode(text, { maxTokens: left });
    chosen.push(encoded);
    left -= encoded.ids.length;
  }
  return chosen;
}
