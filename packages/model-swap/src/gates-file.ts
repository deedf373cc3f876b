// Fitted gates on the disk, beside the model's own files, which stay untouched: gates.safetensors holds the maps of each
// layer, gates.json says what they are. The two are written together and carry the same mark, so that files of two
// different fits are not taken for one.

import type { ContentGateState } from '@flashmla/gating';
import {
  decodeSafetensors,
  encodeSafetensors,
  FlashMLAError,
  formatShape,
  type HostTensor,
  safetensorsMetadata,
} from '@flashmla/tensor';
import type { Architecture } from './architecture.ts';
import { contentGates } from './content-gates.ts';
import type { ModelFolder } from './files/model-folder.ts';
import { nodeModules } from './files/node-folder.ts';
import { invalidFile, isJsonObject, readJson } from './files/text-file.ts';
import type { EncoderModel } from './model.ts';

const DESCRIPTION = 'gates.json';
const TENSORS = 'gates.safetensors';
const FORMAT = 'flashmla-gates';
const VERSION = 1;

/** The fitted gates in `folder` by layer; empty where there are none. Raises 'invalid-file' for gates of another model. */
export async function readGates(
  folder: ModelFolder,
  { heads, headDim, needs }: Architecture,
): Promise<Map<number, ContentGateState>> {
  const gates = new Map<number, ContentGateState>();
  const description = await readJson(folder, DESCRIPTION);
  if (!description) return gates;
  const { format, version, mark, layers } = description;
  if (format !== FORMAT || version !== VERSION || !isJsonObject(layers)) {
    throw invalidFile(
      DESCRIPTION,
      `it is ${JSON.stringify(format)} version ${JSON.stringify(version)}; expected "${FORMAT}" version ${VERSION}. ` +
        'Fit the gates again, or remove the file.',
    );
  }
  const source = await folder.open(TENSORS);
  if (!source) throw invalidFile(TENSORS, `${DESCRIPTION} is there, but this file is not; copy both or remove both.`);
  const bytes = await source.read(0, source.byteLength);
  const tensors = decodeSafetensors(bytes, TENSORS);
  if (safetensorsMetadata(bytes, TENSORS).mark !== mark) {
    throw invalidFile(TENSORS, `it was not written together with ${DESCRIPTION}; copy both from one place.`);
  }
  for (const [key, layer] of Object.entries(layers)) {
    const index = Number(key);
    const ranks = isJsonObject(layer) && layer.gate === 'content' ? layer.ranks : undefined;
    if (!needs.layers[index] || !Array.isArray(ranks) || ranks.length !== heads) {
      throw invalidFile(
        DESCRIPTION,
        `layer ${key} is ${JSON.stringify(layer)}; expected a content gate with ${heads} ranks for one of ` +
          `${needs.layers.length} layers. These gates belong to another model.`,
      );
    }
    const map = (which: string): HostTensor => {
      const name = tensorName(index, which);
      const found = tensors.get(name);
      const [, , rank = 0] = found?.shape ?? [];
      if (found?.dtype !== 'float32' || formatShape(found.shape) !== formatShape([heads, headDim, rank])) {
        throw invalidFile(
          TENSORS,
          `tensor '${name}' is ${found ? `${found.dtype} ${formatShape(found.shape)}` : 'missing'}; expected float32 ` +
            `[${heads}, ${headDim}, rank]. These gates belong to another model.`,
        );
      }
      return found;
    };
    gates.set(index, { queryMap: map('queryMap'), keyMap: map('keyMap'), ranks: ranks as number[] });
  }
  return gates;
}

/**
 * Writes the model's fitted gates into `directory`, as loadModel reads them beside the model's files: both files, or none.
 *
 * @throws FlashMLAError 'invalid-argument' when no gate is fitted, 'unsupported' where there is no file system
 */
export async function saveGates(model: EncoderModel, directory: string): Promise<void> {
  const gates = new Map(model.gates);
  for (const { layer, gate } of contentGates(model)) if (gate.fitted) gates.set(layer.index, gate.state());
  if (gates.size === 0) {
    throw new FlashMLAError(
      'invalid-argument',
      '[model-swap] no gate is fitted; swap attention in and call fitGates first.',
    );
  }
  const node = nodeModules();
  if (!node) {
    throw new FlashMLAError('unsupported', '[model-swap] gates can only be saved where there is a file system.');
  }
  const tensors = new Map<string, HostTensor>();
  const layers: Record<string, { gate: 'content'; ranks: readonly number[] }> = {};
  for (const [index, { queryMap, keyMap, ranks }] of [...gates].sort(([a], [b]) => a - b)) {
    tensors.set(tensorName(index, 'queryMap'), queryMap);
    tensors.set(tensorName(index, 'keyMap'), keyMap);
    layers[index] = { gate: 'content', ranks };
  }
  const mark = await digest(encodeSafetensors(tensors));
  const description = { format: FORMAT, version: VERSION, mark, layers };
  await writeTogether(node, directory, {
    [TENSORS]: encodeSafetensors(tensors, { mark }),
    [DESCRIPTION]: new TextEncoder().encode(`${JSON.stringify(description, undefined, 1)}\n`),
  });
}

async function digest(bytes: Uint8Array): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const tensorName = (layer: number, which: string) => `layer.${layer}.${which}`;

/** Writes all files under other names first; only when all are complete do they take their places. */
async function writeTogether(
  { fs, path }: NonNullable<ReturnType<typeof nodeModules>>,
  directory: string,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  const unfinished = new Map<string, string>();
  try {
    await fs.mkdir(directory, { recursive: true });
    for (const [name, bytes] of Object.entries(files)) {
      const temporary = path.join(directory, `.${name}.${crypto.randomUUID()}`);
      unfinished.set(temporary, path.join(directory, name));
      await fs.writeFile(temporary, bytes, { flush: true });
    }
    for (const [temporary, final] of unfinished) await fs.rename(temporary, final);
  } catch (cause) {
    for (const temporary of unfinished.keys()) await fs.rm(temporary, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlashMLAError('invalid-file', `[model-swap] gates can't be written to ${directory}: ${reason}.`, {
      cause,
    });
  }
}
