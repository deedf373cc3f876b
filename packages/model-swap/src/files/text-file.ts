// The small text files of a model: config.json, tokenizer.json and their like.

import { FlashMLAError } from '@flashmla/tensor';
import type { ModelFolder } from './model-folder.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** The text of a file; undefined when there is none. */
export async function readText(folder: ModelFolder, fileName: string): Promise<string | undefined> {
  const source = await folder.open(fileName);
  return source && new TextDecoder().decode(await source.read(0, source.byteLength));
}

/** The JSON object in a file; undefined when there is no such file. */
export async function readJson(folder: ModelFolder, fileName: string): Promise<JsonObject | undefined> {
  const text = await readText(folder, fileName);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalidFile(fileName, `the file in ${folder.name} is not JSON (${reason}); copy or download it again.`, {
      cause,
    });
  }
  if (!isJsonObject(value)) throw invalidFile(fileName, `the file in ${folder.name} is not a JSON object.`);
  return value;
}

/** The JSON object in a file that a model can't do without. */
export async function requireJson(folder: ModelFolder, fileName: string, advice: string): Promise<JsonObject> {
  const value = await readJson(folder, fileName);
  if (!value) throw invalidFile(fileName, `there is no such file in ${folder.name}; ${advice}`);
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An 'invalid-file' error: `[model-swap] <file>: <problem>`. */
export function invalidFile(fileName: string, problem: string, options?: ErrorOptions): FlashMLAError {
  return new FlashMLAError('invalid-file', `[model-swap] ${fileName}: ${problem}`, options);
}
