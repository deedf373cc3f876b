// One wording for everything that can be wrong with a file.

import { FlashMLAError } from '../errors.ts';

/** An 'invalid-file' error: `[tensor] <file>: <problem>`. `file` is undefined where only the bytes are known. */
export function invalidFile(file: string | undefined, problem: string, options?: ErrorOptions): FlashMLAError {
  return new FlashMLAError('invalid-file', `[tensor] ${file ?? 'safetensors data'}: ${problem}`, options);
}

/** True for what JSON calls an object: not null, not a list. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value from a file, short enough for a message. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
