// From a model's safetensors to tensors on a backend: each tensor that the architecture needs is found, its shape
// checked, brought to the dtype the model is to have and uploaded. All are checked before the first is read, and one is in
// memory at a time. None is kept: when the backend's device was lost they are read from the files again.

import {
  type Backend,
  castTo,
  type DeviceTensor,
  FlashMLAError,
  type FloatDType,
  floatsOf,
  formatShape,
  type HostTensor,
  openSafetensors,
  openShardedSafetensors,
  type Precision,
  type Restore,
  type TensorReader,
  type UploadOptions,
} from '@flashmla/tensor';
import {
  type Architecture,
  type EncoderParts,
  listNeeds,
  mapNeeds,
  presentNeeds,
  type TensorNeed,
} from './architecture.ts';
import type { ModelFolder } from './files/model-folder.ts';
import { invalidFile, readText } from './files/text-file.ts';
import { type ProgressListener, stepper } from './progress.ts';

const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

export interface WeightsFile {
  /** For messages. */
  readonly name: string;
  readonly reader: TensorReader;
}

/** Opens the weights in `folder`: one file, or the shards that an index lists. */
export async function openWeights(folder: ModelFolder): Promise<WeightsFile> {
  const single = await folder.open(WEIGHTS);
  if (single) return { name: WEIGHTS, reader: await openSafetensors(single) };
  const index = await readText(folder, INDEX);
  if (index !== undefined) {
    const openShard = async (fileName: string) => {
      const shard = await folder.open(fileName);
      if (!shard) throw invalidFile(fileName, `there is no such file in ${folder.name}`);
      return shard;
    };
    return { name: INDEX, reader: openShardedSafetensors(index, openShard, INDEX) };
  }
  const pickled = await folder.open('pytorch_model.bin');
  throw invalidFile(
    WEIGHTS,
    `there is neither this file nor ${INDEX} in ${folder.name}; ` +
      (pickled
        ? 'pytorch_model.bin is there: convert it, e.g. by save_pretrained(…, safe_serialization=True).'
        : 'give a Hugging Face model folder with its weights.'),
  );
}

export interface LoadWeightsOptions {
  /** Opens the same weights again, for tensors whose device was lost. @param recovery ends the reading */
  reopen: (recovery: AbortSignal) => Promise<WeightsFile>;
  signal?: AbortSignal | undefined;
  progress?: ProgressListener | undefined;
  /** What the tensors become; one that the file has in it is uploaded as it is. */
  dtype: Precision;
}

/** The encoder's tensors on `backend`, all or none. They belong to the caller. */
export async function loadWeights(
  backend: Backend,
  architecture: Architecture,
  weights: WeightsFile,
  { dtype: precision, reopen, signal, progress }: LoadWeightsOptions,
): Promise<EncoderParts<DeviceTensor>> {
  const dtype = floatsOf(precision);
  const linearWeight: UploadOptions = {
    purpose: 'linear-weight',
    ...(precision === 'int8' && { quantization: precision }),
  };
  const { needs, found } = await locate(architecture, weights);
  const total = found.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const tensors = new Map<TensorNeed, DeviceTensor>();
  const advance = stepper(progress, 'load', total);
  const again = rereading(reopen, dtype);
  try {
    for (const { need, name, byteLength } of found) {
      signal?.throwIfAborted();
      const values = await readValues(weights.reader, name, dtype);
      signal?.throwIfAborted();
      const options: UploadOptions = { restore: again(name), ...(need.linear && linearWeight) };
      tensors.set(need, backend.upload(values, options));
      advance?.(byteLength);
    }
  } catch (error) {
    for (const loaded of tensors.values()) loaded.dispose();
    throw error;
  }
  return mapNeeds(needs, (need) => tensors.get(need)!);
}

/** The encoder's tensors in ordinary memory, as float32. */
export async function readWeights(
  architecture: Architecture,
  weights: WeightsFile,
  signal?: AbortSignal,
): Promise<EncoderParts<HostTensor>> {
  const { needs, found } = await locate(architecture, weights);
  const tensors = new Map<TensorNeed, HostTensor>();
  for (const { need, name } of found) {
    signal?.throwIfAborted();
    tensors.set(need, await readValues(weights.reader, name, 'float32'));
  }
  return mapNeeds(needs, (need) => tensors.get(need)!);
}

interface FoundTensor {
  readonly need: TensorNeed;
  /** What the file calls it. */
  readonly name: string;
  readonly byteLength: number;
}

/** What a model with these weights needs, and where each tensor is, in the order of the file; all are checked. */
async function locate(
  architecture: Architecture,
  { name: file, reader }: WeightsFile,
): Promise<{ needs: EncoderParts<TensorNeed>; found: readonly FoundTensor[] }> {
  const names = new Set(reader.names);
  const storedAs = (need: TensorNeed) => findTensor(need, architecture.prefix, names);
  const needs = presentNeeds(architecture, (need) => storedAs(need) !== undefined);
  const found: (FoundTensor & { byteOffset: number })[] = [];
  for (const need of listNeeds(needs)) {
    const name = storedAs(need);
    if (name === undefined) throw missing(file, need, architecture.prefix, reader.names);
    const info = await reader.info(name);
    if (info.shape.length !== need.shape.length || need.shape.some((size, axis) => size !== info.shape[axis])) {
      throw invalidFile(
        file,
        `tensor '${name}' has the shape ${formatShape(info.shape)}, but config.json makes it ${formatShape(need.shape)}; ` +
          'weights and config.json do not belong together.',
      );
    }
    if (!FLOATS.includes(info.dtype)) {
      throw new FlashMLAError(
        'unsupported',
        `[model-swap] ${file}: tensor '${name}' is ${info.dtype}; supported: ${FLOATS.join(', ')}.`,
      );
    }
    found.push({ need, name, ...info });
  }
  // In the order of the file, which is the quick way over HTTP and on spinning disks.
  return { needs, found: found.sort((a, b) => a.byteOffset - b.byteOffset) };
}

const readValues = async (reader: TensorReader, name: string, dtype: FloatDType): Promise<HostTensor> =>
  castTo(await reader.read(name), dtype);

/**
 * Gives what reads a tensor again. All tensors of one recovery are read from what the first of them opened, and nothing of
 * that is kept afterwards.
 */
function rereading(reopen: LoadWeightsOptions['reopen'], dtype: FloatDType): (name: string) => Restore {
  const opened = new WeakMap<AbortSignal, Promise<WeightsFile>>();
  return (name) => async (recovery) => {
    const weights = opened.get(recovery) ?? reopen(recovery);
    opened.set(recovery, weights);
    return readValues((await weights).reader, name, dtype);
  };
}

/** What a file with these `names` calls the tensor, if it has it. */
export const findTensor = (need: TensorNeed, prefix: string, names: ReadonlySet<string>): string | undefined =>
  storedNames(need.name, prefix).find((name) => names.has(name));

const FLOATS = ['float32', 'float16', 'bfloat16', 'float64'];

/**
 * What a file may call the tensor `name`: with or without the prefix (a bare BertModel has none), and by the names that
 * checkpoints converted from TensorFlow have for LayerNorm's weight and bias.
 */
function storedNames(name: string, prefix: string): string[] {
  const bare = name.startsWith(prefix) ? [name, name.slice(prefix.length)] : [name];
  const old = bare.map((one) =>
    one.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
  );
  return [...new Set([...bare, ...old])];
}

function missing(file: string, need: TensorNeed, prefix: string, names: readonly string[]): Error {
  const others = storedNames(need.name, prefix).slice(1);
  const some = names.length > 3 ? [...names.slice(0, 3), '…'] : names;
  return invalidFile(
    file,
    `tensor '${need.name}' ${formatShape(need.shape)} is missing` +
      `${others.length > 0 ? ` (nor is there ${others.map((name) => `'${name}'`).join(' or ')})` : ''}; ` +
      `the file has ${names.length} tensors (${some.join(', ')}). config.json must describe the model that is stored.`,
  );
}
