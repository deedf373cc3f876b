// Synthetic inputs with content worth finding: queries and keys that lie in clusters, as in content_gate.py.

import { type HostTensor, headsStrides, type Layout, randomSource, tensor } from '@flashmla/tensor';

export interface Inputs {
  query: HostTensor;
  key: HostTensor;
  value: HostTensor;
}

export interface Shape {
  batch: number;
  heads: number;
  tokens: number;
  headDim: number;
  /** Factor of the logits; default 0.4, which spreads attention as trained encoders do. */
  sharpness?: number;
}

/** Numbers of the standard normal distribution (Box and Muller 1958). */
export function normalSource(seed: number): () => number {
  const random = randomSource(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const clusters = 12;

/**
 * Queries, keys and values, heads first. Cluster centres depend on `space` only, so that samples of the same space serve
 * to fit a gate for others of it.
 */
export function clustered({ batch, heads, tokens, headDim, sharpness = 0.4 }: Shape, seed: number, space = 1): Inputs {
  const centre = normalSource(space);
  const centres = Float64Array.from({ length: heads * clusters * headDim }, () => 1.5 * centre());
  const mixing = Float64Array.from({ length: headDim * headDim }, () => centre() / 8);
  const normal = normalSource(1000 + seed);
  const random = randomSource(2000 + seed);
  const length = batch * heads * tokens * headDim;
  const [query, key, value] = [new Float32Array(length), new Float32Array(length), new Float32Array(length)];
  for (let row = 0; row < batch * heads * tokens; row++) {
    const head = Math.floor(row / tokens) % heads;
    const pick = () => (head * clusters + Math.floor(random() * clusters)) * headDim;
    const [queryCentre, keyCentre] = [pick(), pick()];
    for (let d = 0; d < headDim; d++) {
      query[row * headDim + d] = sharpness * (normal() + centres[queryCentre + d]);
      key[row * headDim + d] = 0.6 * normal() + 0.5 * centres[keyCentre + d];
    }
    for (let d = 0; d < headDim; d++) {
      let mixed = normal();
      for (let e = 0; e < headDim; e++) mixed += key[row * headDim + e] * mixing[e * headDim + d];
      value[row * headDim + d] = mixed;
    }
  }
  const shape = [batch, heads, tokens, headDim];
  return { query: tensor(query, shape), key: tensor(key, shape), value: tensor(value, shape) };
}

/** A heads-first tensor in another layout. */
export function inLayout(source: HostTensor, layout: Layout): HostTensor {
  const [batch, heads, tokens, features] = source.shape;
  const values = new Float32Array(source.array.length);
  const [from, to] = [
    headsStrides('heads-first', heads, tokens, features),
    headsStrides(layout, heads, tokens, features),
  ];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < tokens; t++) {
        const start = b * from.batch + h * from.head + t * from.token;
        const row = (source.array as Float32Array).subarray(start, start + features);
        values.set(row, b * to.batch + h * to.head + t * to.token);
      }
    }
  }
  return tensor(values, layout === 'heads-first' ? source.shape : [batch, tokens, heads, features]);
}

/** The first text of heads-first inputs as a sample to fit on: [tokens, heads, headDim]. */
export function sampleOf({ query, key }: Inputs): { query: Float32Array; key: Float32Array; tokens: number } {
  const first = (source: HostTensor) => {
    const [, heads, tokens, headDim] = source.shape;
    return inLayout(source, 'tokens-first').array.slice(0, tokens * heads * headDim) as Float32Array;
  };
  return { query: first(query), key: first(key), tokens: key.shape[2] };
}
