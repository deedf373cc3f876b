// From a model's files to a model that runs.

import { checkComputes, type SelectOptions, selectBackend } from '@flashmla/backend';
import { type Backend, describeValue, FlashMLAError, type Precision } from '@flashmla/tensor';
import type { Architecture } from './architecture.ts';
import { architectureOf } from './families/index.ts';
import { type ModelSource, openFolder } from './files/model-folder.ts';
import { requireJson } from './files/text-file.ts';
import { readGates } from './gates-file.ts';
import { EncoderModel } from './model.ts';
import type { ProgressListener } from './progress.ts';
import { openTokenizer } from './read-tokenizer.ts';
import { loadWeights, openWeights } from './weights.ts';

type BackendChoice = Omit<SelectOptions, 'dtype' | 'signal'>;

export interface LoadOptions {
  /**
   * What to run on; it stays the caller's. Or how to choose it among those that compute in the model's precision, which then
   * ends with the model; default: the best of them.
   */
  backend?: Backend | BackendChoice;
  /**
   * What weights and activations are kept in, whatever the files hold; default: what was chosen for the model (gates.json),
   * else 'float32'. 'float16' and 'bfloat16' halve the
   * memory; with 'int8' the linear weights are int8, quantized as they are loaded, and activations float32. All take a backend
   * whose device.features name them. Sums are float32, of int8 int32.
   */
  dtype?: Precision;
  /** Told of the bytes of weights that are loaded. */
  progress?: ProgressListener;
  signal?: AbortSignal;
}

/**
 * Loads a Hugging Face encoder: config.json, model.safetensors (or model.safetensors.index.json and its shards),
 * tokenizer.json, and where they are there tokenizer_config.json, gates.json and gates.safetensors.
 *
 * @throws FlashMLAError 'invalid-file' that names the file, field or tensor that is missing or wrong; 'unsupported' for
 *   an architecture or dtype that is not supported; OutOfMemoryError when the weights do not fit
 */
export async function loadModel(
  source: ModelSource,
  { backend: given = {}, dtype: named, progress, signal }: LoadOptions = {},
): Promise<EncoderModel> {
  if (!isBackend(given) && !isChoice(given)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[model-swap] backend is ${describeValue(given)}; expected an open one, as selectBackend() gives, or how to choose ` +
        "one, such as { require: 'cpu' }.",
    );
  }
  signal?.throwIfAborted();
  const folder = openFolder(source, signal);
  const config = await requireJson(folder, 'config.json', 'give a Hugging Face model folder.');
  const architecture = architectureOf(config);
  const tokenizer = await openTokenizer(folder, architecture);
  const { gates, attention: chosen } = await readGates(folder, architecture);
  const dtype = named ?? chosen?.dtype ?? 'float32';
  const weights = await openWeights(folder);
  signal?.throwIfAborted();
  const ownsBackend = !isBackend(given);
  const backend = ownsBackend ? await selectBackend({ ...given, dtype, ...(signal && { signal }) }) : given;
  try {
    await checkComputes(backend, dtype);
    checkHeads(backend, architecture);
    // Its own folder: the signal of the load ends with the load.
    const reopen = (recovery: AbortSignal) => openWeights(openFolder(source, recovery));
    const parts = await loadWeights(backend, architecture, weights, { dtype, reopen, signal, progress });
    return new EncoderModel({
      ...{ config, architecture, dtype, backend, ownsBackend, tokenizer, parts, gates, chosen },
    });
  } catch (error) {
    if (ownsBackend) await backend.dispose();
    throw error;
  }
}

const choices: Readonly<Record<keyof BackendChoice, true>> = {
  require: true,
  prefer: true,
  threads: true,
  tokens: true,
  problems: true,
};

const isBackend = (given: Backend | BackendChoice): given is Backend =>
  typeof (given as Backend | null)?.upload === 'function';

/** A promise of a backend is none, nor is a provider: nothing else must be opened in the place of what was meant. */
const isChoice = (given: BackendChoice): boolean =>
  Object.getPrototypeOf(given ?? 0) === Object.prototype && Object.keys(given).every((name) => name in choices);

/** Raises, before any weight is read, unless the backend's attention takes heads of this model's width. */
function checkHeads(backend: Backend, { heads, headDim }: Architecture): void {
  const sizes = { batch: 1, heads, queries: 1, keys: 1, headDim, layout: 'tokens-first', scale: 1 } as const;
  const support = backend.supports({ op: 'dense-attention', ...sizes, mask: false, causal: false });
  if (support.supported) return;
  throw new FlashMLAError(
    'unsupported',
    `[model-swap] the model's ${heads} heads have ${headDim} features each, and ${backend.name} refuses: ${support.reason}. ` +
      'Run it on another backend, or take a model with other heads.',
  );
}
