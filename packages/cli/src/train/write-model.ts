// A trained model in a folder, as Hugging Face has it: all files or none.

import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGate } from '@flashmla/gating';
import { loadModel, saveGates, swapAttention } from '@flashmla/model-swap';
import type { TrainableModel, TrainReport } from '@flashmla/train';
import { badInput } from '../errors.ts';

export interface TrainedModel {
  readonly model: TrainableModel;
  readonly gates: TrainReport['gates'];
  readonly dtype: 'float32' | 'float16';
  readonly tokenizerFiles: ReadonlyMap<string, Uint8Array>;
  /** What training.json says. */
  readonly description: object;
}

/** What loadModel would find of gates; those of another training don't belong to this model. */
const gateFiles = ['gates.json', 'gates.safetensors'];

/** @param folder that exists; files of these names in it are replaced */
export async function writeModel(folder: string, trained: TrainedModel): Promise<void> {
  const draft = join(folder, 'model.unfinished');
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft);
    const { model, dtype, tokenizerFiles, description } = trained;
    await writeFile(join(draft, 'config.json'), asFile(model.config));
    for (const [name, bytes] of tokenizerFiles) await writeFile(join(draft, name), bytes);
    await writeFile(join(draft, 'training.json'), asFile(description));
    await writeFile(join(draft, 'model.safetensors'), await model.weights(dtype), { flush: true });
    if (trained.gates.size > 0) await writeGates(draft, trained);
    for (const name of gateFiles) await rm(join(folder, name), { force: true });
    for (const name of await readdir(draft)) await rename(join(draft, name), join(folder, name));
  } catch (cause) {
    throw badInput(
      `the model can't be written to ${folder}: ${(cause as Error).message}. Make room, and run it again.`,
      {
        cause,
      },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Gives the model that is in `folder` the gates that learned along. */
async function writeGates(folder: string, { model, gates }: TrainedModel): Promise<void> {
  await using loaded = await loadModel(folder, { backend: model.backend });
  swapAttention(loaded, {
    ...{ layers: [...gates.keys()], crossover: 0 },
    gate(layer) {
      const { state } = gates.get(layer)!;
      const gate = createGate(state.gate);
      gate.load(state);
      return gate;
    },
  });
  await saveGates(loaded, folder);
}

const asFile = (content: object): string => `${JSON.stringify(content, null, 2)}\n`;
