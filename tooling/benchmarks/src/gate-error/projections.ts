// Queries, keys and values of every layer of a model for a text, under dense attention: so all gates see the same ones,
// and none sees the errors of a gate below it.
//
// Reads the weights from the model's own folder, because a loaded model keeps them packed.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture, EncodedText, EncoderModel } from '@flashmla/model-swap';
import {
  type Backend,
  type DeviceTensor,
  decodeSafetensors,
  type HostTensor,
  tensor,
  toFloat32,
} from '@flashmla/tensor';
import { badInput } from '../command.ts';

const names = ['query', 'key', 'value'] as const;
type Name = (typeof names)[number];

interface Linear {
  readonly weight: HostTensor; // [modelDim, modelDim]
  readonly bias: HostTensor; // [modelDim]
}

export interface LayerWeights extends Readonly<Record<Name, Linear>> {
  /** The LayerNorm that the layer's input comes out of. */
  readonly inputNorm: { readonly weight: HostTensor; readonly bias: HostTensor }; // [modelDim] each
}

/** f32 [1, tokens, heads, headDim] each. */
export type Projections = Readonly<Record<Name, DeviceTensor>>;

export async function readLayerWeights(
  folder: string,
  { needs, prefix }: Pick<Architecture, 'needs' | 'prefix'>,
): Promise<LayerWeights[]> {
  const file = join(folder, 'model.safetensors');
  const tensors = decodeSafetensors(await readFile(file), file);
  const read = ({ name }: { name: string }): HostTensor => {
    const found = tensors.get(name) ?? tensors.get(name.slice(prefix.length));
    if (!found) throw badInput(`${file} has no tensor '${name}'; give the folder of a whole model, in one file.`);
    return tensor(toFloat32(found.array, found.dtype), found.shape);
  };
  const both = (part: { weight: { name: string }; bias: { name: string } }) => ({
    weight: read(part.weight),
    bias: read(part.bias),
  });
  return needs.layers.map((layer, index) => ({
    query: both(layer.query),
    key: both(layer.key),
    value: both(layer.value),
    inputNorm: both(index === 0 ? needs.embedding.norm : needs.layers[index - 1].outputNorm),
  }));
}

export class Projector {
  readonly #model: EncoderModel;
  readonly #layers: readonly Readonly<Record<Name, { weight: DeviceTensor; bias: DeviceTensor }>>[];

  constructor(model: EncoderModel, weights: readonly LayerWeights[]) {
    this.#model = model;
    const place = ({ weight, bias }: Linear) => ({
      weight: model.backend.upload(weight, { purpose: 'linear-weight' }),
      bias: model.backend.upload(bias),
    });
    this.#layers = weights.map(({ query, key, value }) => ({
      query: place(query),
      key: place(key),
      value: place(value),
    }));
  }

  /** By layer; the caller disposes them. */
  async project(text: EncodedText): Promise<Projections[]> {
    const { backend, architecture } = this.#model;
    const { heads, headDim } = architecture;
    const tokens = text.ids.length;
    const found: Projections[] = [];
    await this.#model.forward(
      [text],
      {
        hidden: false,
        attention: ({ dense }) => dense,
        beforeLayer: async ({ index }, hidden) => {
          const one = (name: Name) => linear(backend, hidden, this.#layers[index][name], [1, tokens, heads, headDim]);
          found.push({ query: await one('query'), key: await one('key'), value: await one('value') });
        },
      },
      async () => {},
    );
    return found;
  }
}

async function linear(
  backend: Backend,
  input: DeviceTensor,
  { weight, bias }: { weight: DeviceTensor; bias: DeviceTensor },
  shape: readonly number[],
): Promise<DeviceTensor> {
  const [outFeatures, inFeatures] = weight.shape;
  const program = await backend.prepare({
    ...{ op: 'linear', rows: shape[1], inFeatures, outFeatures, bias: true, activation: 'none' },
  });
  const output = backend.allocate(shape, 'float32');
  backend.dispatch(program, { input, weight, bias }, { output });
  return output;
}
