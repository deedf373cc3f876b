// The texts that are classified: the demo's own, or files of the user's.

import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { InputError } from './input-error.ts';
import { plainText } from './plain-text.ts';

export interface Text {
  readonly name: string;
  readonly content: string;
}

export interface Texts {
  /** Run as one batch and shown line by line. */
  readonly short: readonly string[];
  /** Run one by one. */
  readonly long: readonly Text[];
}

const own = new URL('../texts/', import.meta.url);
const ownLong = ['long-review-positive', 'long-review-negative', 'long-essay-mixed', 'festival-diary'];

export function ownTexts(): Texts {
  return {
    short: readText(new URL('short-reviews.txt', own)).split('\n'),
    long: ownLong.map((name) => ({ name, content: readText(new URL(`${name}.txt`, own)) })),
  };
}

/** @throws InputError for the first file that is missing, empty or no text */
export function textsOf(files: readonly string[]): Texts {
  return {
    short: [],
    long: files.map((file) => ({ name: basename(file, extname(file)), content: readText(file) })),
  };
}

/** The text of a file, without white space around it. */
function readText(file: string | URL): string {
  const bytes = readBytes(file);
  const text = plainText(bytes);
  if (text === undefined) {
    throw new InputError(`${file} is no plain text in UTF-8; save it as such.`);
  }
  if (text.trim() === '') throw new InputError(`${file} is empty; give a file with text in it.`);
  return text.trim();
}

function readBytes(file: string | URL): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${file} is not there; give the path of a text file.`);
    if (code === 'EISDIR') throw new InputError(`${file} is a folder; give text files.`);
    throw new InputError(`${file} can't be read (${code}); check its permissions.`);
  }
}
