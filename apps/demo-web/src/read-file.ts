// What was dropped or opened: one text, or the files of a model. One clear message for everything else.

import { plainText } from '@flashmla/demo/src/plain-text.ts';

/** What was given can't be used: shown as it is. */
export class InputError extends Error {}

export type Given =
  | { readonly kind: 'text'; readonly name: string; readonly text: string }
  | { readonly kind: 'model'; readonly name: string; readonly files: Readonly<Record<string, File>> };

/** Far more than any model reads of a text; what is larger was dropped by mistake. */
export const mostTextBytes = 4e6;

/** @throws InputError that says what is wrong and what to do */
export async function readFiles(files: readonly File[]): Promise<Given> {
  if (files.length === 0) throw new InputError('Nothing was dropped; drop a text file, or the files of a model.');
  if (files.some(({ name }) => name === 'config.json' || name.endsWith('.safetensors'))) return modelOf(files);
  if (files.length > 1) {
    throw new InputError(
      `${files.length} files were given. Give one text, or the files of a model with its config.json among them.`,
    );
  }
  const [file] = files;
  return { kind: 'text', name: file!.name, text: await textOf(file!) };
}

async function textOf(file: File): Promise<string> {
  const { name, size } = file;
  if (size === 0) throw new InputError(`${name} is empty; give a file with text in it.`);
  if (size > mostTextBytes) {
    const megabytes = (size / 1e6).toFixed(1);
    throw new InputError(`${name} has ${megabytes} MB; a text has at most ${mostTextBytes / 1e6} MB. Cut it.`);
  }
  const text = plainText(new Uint8Array(await file.arrayBuffer()));
  if (text === undefined) throw new InputError(`${name} is no plain text in UTF-8; save it as such.`);
  if (text.trim() === '') throw new InputError(`${name} holds nothing but white space; give a file with text in it.`);
  return text.trim();
}

function modelOf(files: readonly File[]): Given {
  const byName = Object.fromEntries(files.map((file) => [file.name, file]));
  const missing = ['config.json', 'tokenizer.json'].filter((name) => !byName[name]);
  if (!files.some(({ name }) => name.endsWith('.safetensors'))) missing.push('model.safetensors');
  if (missing.length > 0) {
    const given = files.map(({ name }) => name).join(', ');
    throw new InputError(
      `A model needs ${missing.join(' and ')} too; ${given} alone will not do. Give all its files at once.`,
    );
  }
  const [folder] = (files[0]!.webkitRelativePath || '').split('/');
  return { kind: 'model', name: folder || 'your model', files: byName };
}
