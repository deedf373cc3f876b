// A model in training: an encoder and a head on a backend, as parameters.

import {
  type Architecture,
  architectureOf,
  type EncoderParts,
  type JsonObject,
  listNeeds,
  type ModelSource,
  mapNeeds,
  readTensors,
  type TensorNeed,
} from '@flashmla/model-swap';
import {
  type Backend,
  castTo,
  encodeSafetensors,
  FlashMLAError,
  formatShape,
  type HostTensor,
  randomSource,
  tensor,
} from '@flashmla/tensor';
import { checkTrains } from './backend-check.ts';
import type { Head, TrainedParts } from './heads/head.ts';
import { initialWeights } from './initial-weights.ts';
import { type Parameter, parameterOf } from './parameter.ts';

export interface TrainableModelOptions {
  backend: Backend;
  head: Head;
  /** config.json of the model that is to come, with the head's labels; `architectures` is set by the head. */
  config: JsonObject;
  /** A Hugging Face folder whose weights training starts from: all of an encoder, and of a head what fits. Default: random. */
  from?: ModelSource | undefined;
  /** Of weights that are random; default 0. */
  seed?: number | undefined;
  signal?: AbortSignal | undefined;
}

export class TrainableModel implements Disposable {
  readonly backend: Backend;
  readonly config: JsonObject;
  readonly architecture: Architecture;
  readonly head: Head;
  readonly encoder: EncoderParts<Parameter>;
  readonly headParts: TrainedParts<Parameter>;
  /** All, encoder's before head's; the order is that of the architecture. */
  readonly parameters: readonly Parameter[];
  /** Names of the parameters that `from` did not have. */
  readonly fresh: readonly string[];

  private constructor(
    init: Pick<
      TrainableModel,
      'backend' | 'config' | 'architecture' | 'head' | 'encoder' | 'headParts' | 'parameters' | 'fresh'
    >,
  ) {
    this.backend = init.backend;
    this.config = init.config;
    this.architecture = init.architecture;
    this.head = init.head;
    this.encoder = init.encoder;
    this.headParts = init.headParts;
    this.parameters = init.parameters;
    this.fresh = init.fresh;
  }

  /**
   * Puts a model on a backend to be trained. The caller disposes it.
   *
   * @throws FlashMLAError 'invalid-file' or 'unsupported' for a config.json that describes no encoder, and for weights in
   * `from` that lack some of the encoder's tensors; OutOfMemoryError
   */
  static async open(options: TrainableModelOptions): Promise<TrainableModel> {
    const { backend, head, from, seed = 0, signal } = options;
    checkTrains(backend);
    const config = withHead(options.config, head);
    const architecture = architectureOf(config);
    const encoderNeeds = { embedding: architecture.needs.embedding, layers: architecture.needs.layers };
    const headNeeds = needsOfHead(architecture);
    const needs = [...listNeeds(encoderNeeds), ...listNeeds(headNeeds)];
    const { prefix } = architecture;
    const given = from ? await readTensors(from, needs, { prefix, signal }) : new Map<TensorNeed, HostTensor>();
    if (from) checkEncoder(listNeeds(encoderNeeds), given);
    const random = randomSource(seed);
    const parameters = new Map<TensorNeed, Parameter>();
    try {
      for (const need of needs) {
        parameters.set(need, parameterOf(backend, need.name, given.get(need) ?? initialWeights(need, random)));
      }
    } catch (error) {
      for (const parameter of parameters.values()) parameter.tensor.dispose();
      throw error;
    }
    const parameterFor = (need: TensorNeed) => parameters.get(need)!;
    return new TrainableModel({
      ...{ backend, config, architecture, head },
      encoder: mapNeeds(encoderNeeds, parameterFor),
      headParts: mapNeeds(headNeeds, parameterFor),
      parameters: [...parameters.values()],
      fresh: needs.filter((need) => !given.has(need)).map(({ name }) => name),
    });
  }

  /** The weights as a safetensors file, float32 or rounded to `dtype`, with the names that Hugging Face has for them. */
  async weights(dtype: 'float32' | 'float16' = 'float32'): Promise<Uint8Array> {
    const tensors = new Map<string, HostTensor>();
    for (const { name, tensor: held } of this.parameters) {
      tensors.set(name, castTo(tensor(await held.data(), held.shape), dtype));
    }
    return encodeSafetensors(tensors, { format: 'pt' });
  }

  /** Gives a parameter the elements of `values`, of its shape. */
  replace(parameter: Parameter, values: HostTensor): void {
    const before = parameter.tensor;
    parameter.tensor = this.backend.upload(values);
    before.dispose();
  }

  dispose(): void {
    for (const { tensor: held } of this.parameters) held.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What Hugging Face calls the families in `architectures`. */
const families: Readonly<Record<string, string>> = {
  bert: 'Bert',
  distilbert: 'DistilBert',
  roberta: 'Roberta',
  'xlm-roberta': 'XLMRoberta',
};

const withHead = (config: JsonObject, { suffix }: Head): JsonObject => ({
  ...config,
  architectures: [`${families[String(config.model_type)] ?? ''}${suffix}`],
});

/** What stands on the encoder, and learns from nothing where there is nothing to start from. */
const needsOfHead = ({ needs, headReadsPooled }: Architecture): TrainedParts<TensorNeed> => ({
  ...(headReadsPooled && { pooler: needs.pooler! }),
  ...needs.head!,
});

function checkEncoder(needs: readonly TensorNeed[], given: ReadonlyMap<TensorNeed, HostTensor>): void {
  const missing = needs.find((need) => !given.has(need));
  if (!missing) return;
  throw new FlashMLAError(
    'invalid-file',
    `[train] the weights to start from have no tensor '${missing.name}' ${formatShape(missing.shape)}; ` +
      'weights and config.json must describe the same encoder. Leave `from` out to start from random weights.',
  );
}
