// Fitted gates on the disk, beside the model's own files, which stay untouched: gates.safetensors holds the tensors of each
// layer's gate, gates.json says what they are. The two are written together and carry the same mark, so that files of two
// different fits are not taken for one. gates.json may also say how each layer attends, and in which precision
// (layer-attention.ts).

import type { GateState } from '@flashmla/gating';
import {
  decodeSafetensors,
  encodeSafetensors,
  FlashMLAError,
  formatShape,
  HostTensor,
  safetensorsMetadata,
  sha256,
} from '@flashmla/tensor';
import type { Architecture } from './architecture.ts';
import type { ModelFolder } from './files/model-folder.ts';
import { nodeModules } from './files/node-folder.ts';
import { invalidFile, isJsonObject, type JsonObject, readJson } from './files/text-file.ts';
import { learnableGates } from './gated-layers.ts';
import { attentionOf, isModelAttention, type ModelAttention } from './layer-attention.ts';
import type { EncoderModel } from './model.ts';

const DESCRIPTION = 'gates.json';
const TENSORS = 'gates.safetensors';
const FORMAT = 'flashmla-gates';
const VERSION = 1;

/** What the files hold of each kind of gate. */
interface Kind {
  /** Whether its numbers are in the description. */
  isDescribedBy(layer: JsonObject, heads: number): boolean;
  /** Its tensors, f32, and their shapes; undefined = any size. */
  tensors(sizes: GateSizes, layer: JsonObject): Readonly<Record<string, readonly (number | undefined)[]>>;
  /** A tensor that may be missing. */
  readonly optional?: string;
}

type GateSizes = Pick<Architecture, 'heads' | 'headDim' | 'modelDim'>;

const kinds: Readonly<Partial<Record<string, Kind>>> = {
  content: {
    isDescribedBy: ({ ranks, shares = ranks }, heads) =>
      [ranks, shares].every((numbers) => Array.isArray(numbers) && numbers.length === heads),
    tensors: ({ heads, headDim }) => ({ queryMap: [heads, headDim, undefined], keyMap: [heads, headDim, undefined] }),
  },
  block: {
    isDescribedBy: ({ block }) => Number.isSafeInteger(block),
    tensors: ({ heads, headDim }) => ({
      query: [heads, headDim, undefined],
      key: [heads, 3 * headDim, undefined],
      relativeBias: [heads, undefined],
    }),
    optional: 'relativeBias',
  },
  slot: {
    isDescribedBy: ({ slotCount }) => Number.isSafeInteger(slotCount),
    tensors: ({ heads, modelDim }, { slotCount }) => ({
      weight: [heads * Number(slotCount), modelDim],
      bias: [heads * Number(slotCount)],
    }),
    optional: 'bias',
  },
};

const fits = (shape: readonly number[], expected: readonly (number | undefined)[]) =>
  shape.length === expected.length && shape.every((size, i) => expected[i] === undefined || size === expected[i]);

export interface StoredGates {
  /** By layer. */
  readonly gates: Map<number, GateState>;
  /** How the layers attend, where that was chosen. */
  readonly attention?: ModelAttention;
}

/** What `folder` has of gates; none where there are no such files. Raises 'invalid-file' for gates of another model. */
export async function readGates(
  folder: ModelFolder,
  { heads, headDim, modelDim, needs }: Architecture,
): Promise<StoredGates> {
  const gates = new Map<number, GateState>();
  const description = await readJson(folder, DESCRIPTION);
  if (!description) return { gates };
  const { format, version, mark, layers, attention } = description;
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
    const described = isJsonObject(layer) ? layer : {};
    const kind = kinds[String(described.gate)];
    if (!needs.layers[index] || !kind?.isDescribedBy(described, heads)) {
      throw invalidFile(
        DESCRIPTION,
        `layer ${key} is ${JSON.stringify(layer)}; expected a content gate with ${heads} ranks (and shares), a block gate with its block or a ` +
          `slot gate with its slotCount, for one of ${needs.layers.length} layers. These gates belong to another model.`,
      );
    }
    const state: Record<string, unknown> = { ...described };
    for (const [which, shape] of Object.entries(kind.tensors({ heads, headDim, modelDim }, described))) {
      const name = tensorName(index, which);
      const found = tensors.get(name);
      if (!found && kind.optional === which) continue;
      if (found?.dtype !== 'float32' || !fits(found.shape, shape)) {
        throw invalidFile(
          TENSORS,
          `tensor '${name}' is ${found ? `${found.dtype} ${formatShape(found.shape)}` : 'missing'}; expected float32 ` +
            `[${shape.map((size) => size ?? 'any').join(', ')}]. These gates belong to another model.`,
        );
      }
      state[which] = found;
    }
    gates.set(index, state as unknown as GateState);
  }
  if (attention === undefined) return { gates };
  if (!isModelAttention(attention, needs.layers.length)) {
    throw invalidFile(
      DESCRIPTION,
      `attention is ${JSON.stringify(attention)}; expected a dtype and for each of ${needs.layers.length} layers "dense" or a gate with its ` +
        'numbers. Write it again with saveAttention, or remove it.',
    );
  }
  return { gates, attention };
}

/**
 * Writes the model's fitted gates into `directory`, as loadModel reads them beside the model's files: both files, or none.
 * What was chosen for the model before it was loaded (`model.chosen`) is written along.
 *
 * @throws FlashMLAError 'invalid-argument' when no gate is fitted, 'unsupported' where there is no file system
 */
export async function saveGates(model: EncoderModel, directory: string): Promise<void> {
  const gates = fittedGates(model);
  if (gates.size === 0) {
    throw new FlashMLAError(
      'invalid-argument',
      '[model-swap] no gate is fitted; swap attention in and call fitGates or calibrateGates first.',
    );
  }
  await writeGates(gates, model.chosen, directory);
}

/**
 * Writes how the model attends now, layer by layer, its precision and its fitted gates into `directory`. Loaded from there
 * it has that precision, and `swapAttention(model)` lets it attend so again. Both files, or none.
 *
 * @throws FlashMLAError 'unsupported' where there is no file system, or for an attention module that can't be described
 */
export async function saveAttention(model: EncoderModel, directory: string): Promise<void> {
  await writeGates(fittedGates(model), attentionOf(model), directory);
}

/** What the model knows of its gates, and what those that are swapped in have learned. */
function fittedGates(model: EncoderModel): Map<number, GateState> {
  const gates = new Map(model.gates);
  for (const { layer, gate } of learnableGates(model)) if (gate.fitted) gates.set(layer.index, gate.state());
  return gates;
}

async function writeGates(
  gates: ReadonlyMap<number, GateState>,
  attention: ModelAttention | undefined,
  directory: string,
): Promise<void> {
  const node = nodeModules();
  if (!node) {
    throw new FlashMLAError('unsupported', '[model-swap] gates can only be saved where there is a file system.');
  }
  const tensors = new Map<string, HostTensor>();
  const layers: Record<string, object> = {};
  for (const [index, state] of [...gates].sort(([a], [b]) => a - b)) {
    const parts = Object.entries(state as unknown as Record<string, unknown>);
    for (const [which, part] of parts) if (part instanceof HostTensor) tensors.set(tensorName(index, which), part);
    layers[index] = Object.fromEntries(parts.filter(([, part]) => !(part instanceof HostTensor)));
  }
  const mark = await sha256(encodeSafetensors(tensors));
  const description = { format: FORMAT, version: VERSION, mark, layers, ...(attention && { attention }) };
  await writeTogether(node, directory, {
    [TENSORS]: encodeSafetensors(tensors, { mark }),
    [DESCRIPTION]: new TextEncoder().encode(`${JSON.stringify(description, undefined, 1)}\n`),
  });
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
