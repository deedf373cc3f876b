// A folder with a model and what was chosen for it: all files, or none.

import { copyFile, mkdir, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyAttention, type ChosenAttention, type EncoderModel, saveAttention } from '@flashmla/model-swap';
import { badInput } from '../errors.ts';

/** Files of a model that are copied beside what was chosen. */
const ofModel = /^(config|tokenizer|tokenizer_config|model\.safetensors\.index)\.json$|^(?!gates\.).*\.safetensors$/;

export interface Written {
  readonly model: EncoderModel;
  readonly attention: ChosenAttention;
  /** By name. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Writes gates.json, gates.safetensors and `files`, and the model's own files unless the folder is the model's.
 *
 * @param source the model's folder; undefined where it is none of this machine, whose files then are not copied
 * @param folder that exists; files of these names in it are replaced
 */
export async function writeFolder(
  folder: string,
  source: string | undefined,
  { model, attention, files }: Written,
): Promise<void> {
  const draft = join(folder, 'search.unfinished');
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft);
    const isOwn = source !== undefined && (await realpath(source)) === (await realpath(folder));
    const copied = source === undefined || isOwn ? [] : (await readdir(source)).filter((name) => ofModel.test(name));
    for (const name of copied) await copyFile(join(source!, name), join(draft, name));
    applyAttention(model, attention);
    await saveAttention(model, draft);
    for (const [name, text] of Object.entries(files)) await writeFile(join(draft, name), text);
    for (const name of await readdir(draft)) await rename(join(draft, name), join(folder, name));
  } catch (cause) {
    throw badInput(`${folder} can't be written: ${(cause as Error).message}. Make room, and run it again.`, { cause });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
