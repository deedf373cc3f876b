// The forward passes of the three families and of their heads, written out plainly in float64 from their papers and Hugging Face's names,
// sharing no code with the package: what the package is compared with.

import type { HostTensor } from '@flashmla/tensor';

type Matrix = number[][];
type Tensors = ReadonlyMap<string, HostTensor>;

export interface Expected {
  hidden: Matrix; // [tokens][modelDim]
  pooled?: number[];
  logits?: number[];
}

export interface Sizes {
  heads: number;
  layers: number;
  epsilon: number;
}

function at(tensors: Tensors, name: string): HostTensor {
  const found = tensors.get(name);
  if (!found) throw new Error(`the test's model has no tensor '${name}'`);
  return found;
}

function row(tensors: Tensors, name: string, index: number): number[] {
  const { array, shape } = at(tensors, name);
  const width = shape[1]!;
  return Array.from({ length: width }, (_, column) => Number(array[index * width + column]));
}

const add = (...vectors: number[][]) => vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0));

function linear(tensors: Tensors, name: string, inputs: Matrix): Matrix {
  const bias = at(tensors, `${name}.bias`).array;
  const weights = Array.from({ length: bias.length }, (_, out) => row(tensors, `${name}.weight`, out));
  return inputs.map((input) =>
    weights.map((weight, out) => weight.reduce((sum, w, i) => sum + w * input[i]!, Number(bias[out]))),
  );
}

function layerNorm(tensors: Tensors, name: string, inputs: Matrix, epsilon: number): Matrix {
  const weight = at(tensors, `${name}.weight`).array;
  const bias = at(tensors, `${name}.bias`).array;
  return inputs.map((input) => {
    const mean = input.reduce((sum, x) => sum + x, 0) / input.length;
    const variance = input.reduce((sum, x) => sum + (x - mean) ** 2, 0) / input.length;
    return input.map((x, i) => ((x - mean) / Math.sqrt(variance + epsilon)) * Number(weight[i]) + Number(bias[i]));
  });
}

/** erf by its Taylor series, which keeps 8 digits up to 4; beyond, it is ±1 to as many. */
function erf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export const activations: Record<string, (x: number) => number> = {
  gelu: (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(0, x),
};

function attention(query: Matrix, key: Matrix, value: Matrix, heads: number): Matrix {
  const headDim = query[0]!.length / heads;
  return query.map((q) =>
    Array.from({ length: heads }, (_, head) => {
      const part = (vector: number[]) => vector.slice(head * headDim, (head + 1) * headDim);
      const scores = key.map((k) => part(q).reduce((sum, x, i) => sum + x * part(k)[i]!, 0) / Math.sqrt(headDim));
      const largest = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - largest));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      return part(q).map((_, i) => weights.reduce((sum, weight, j) => sum + (weight / total) * part(value[j]!)[i]!, 0));
    }).flat(),
  );
}

/** The trunk that BERT and RoBERTa share; `prefix` is 'bert.' or 'roberta.'. */
function bertTrunk(
  tensors: Tensors,
  prefix: string,
  ids: number[],
  positions: number[],
  types: number[],
  { heads, layers, epsilon }: Sizes,
  activation: (x: number) => number,
): Matrix {
  let hidden = ids.map((id, i) =>
    add(
      row(tensors, `${prefix}embeddings.word_embeddings.weight`, id),
      row(tensors, `${prefix}embeddings.position_embeddings.weight`, positions[i]!),
      row(tensors, `${prefix}embeddings.token_type_embeddings.weight`, types[i]!),
    ),
  );
  hidden = layerNorm(tensors, `${prefix}embeddings.LayerNorm`, hidden, epsilon);
  for (let i = 0; i < layers; i++) {
    const layer = `${prefix}encoder.layer.${i}`;
    const [query, key, value] = ['query', 'key', 'value'].map((name) =>
      linear(tensors, `${layer}.attention.self.${name}`, hidden),
    ) as [Matrix, Matrix, Matrix];
    const attended = linear(tensors, `${layer}.attention.output.dense`, attention(query, key, value, heads));
    const between = layerNorm(
      tensors,
      `${layer}.attention.output.LayerNorm`,
      attended.map((vector, t) => add(vector, hidden[t]!)),
      epsilon,
    );
    const wide = linear(tensors, `${layer}.intermediate.dense`, between).map((vector) => vector.map(activation));
    const narrow = linear(tensors, `${layer}.output.dense`, wide);
    hidden = layerNorm(
      tensors,
      `${layer}.output.LayerNorm`,
      narrow.map((vector, t) => add(vector, between[t]!)),
      epsilon,
    );
  }
  return hidden;
}

export function bertForward(
  tensors: Tensors,
  ids: number[],
  types: number[],
  sizes: Sizes,
  activation = activations.gelu!,
): Expected {
  const positions = ids.map((_, i) => i);
  const hidden = bertTrunk(tensors, 'bert.', ids, positions, types, sizes, activation);
  const pooled = linear(tensors, 'bert.pooler.dense', [hidden[0]!])[0]!.map(Math.tanh);
  return { hidden, pooled, logits: linear(tensors, 'classifier', [pooled])[0]! };
}

export function robertaForward(tensors: Tensors, ids: number[], padToken: number, sizes: Sizes): Expected {
  // create_position_ids_from_input_ids of Hugging Face: a padding token is not counted, and gets the number before the first.
  let next = padToken + 1;
  const positions = ids.map((id) => (id === padToken ? padToken : next++));
  const types = ids.map(() => 0);
  const hidden = bertTrunk(tensors, 'roberta.', ids, positions, types, sizes, activations.gelu!);
  const dense = linear(tensors, 'classifier.dense', [hidden[0]!])[0]!.map(Math.tanh);
  return { hidden, logits: linear(tensors, 'classifier.out_proj', [dense])[0]! };
}

export function distilbertForward(tensors: Tensors, ids: number[], { heads, layers, epsilon }: Sizes): Expected {
  let hidden = ids.map((id, i) =>
    add(
      row(tensors, 'distilbert.embeddings.word_embeddings.weight', id),
      row(tensors, 'distilbert.embeddings.position_embeddings.weight', i),
    ),
  );
  hidden = layerNorm(tensors, 'distilbert.embeddings.LayerNorm', hidden, epsilon);
  for (let i = 0; i < layers; i++) {
    const layer = `distilbert.transformer.layer.${i}`;
    const query = linear(tensors, `${layer}.attention.q_lin`, hidden);
    const key = linear(tensors, `${layer}.attention.k_lin`, hidden);
    const value = linear(tensors, `${layer}.attention.v_lin`, hidden);
    const attended = linear(tensors, `${layer}.attention.out_lin`, attention(query, key, value, heads));
    const between = layerNorm(
      tensors,
      `${layer}.sa_layer_norm`,
      attended.map((vector, t) => add(vector, hidden[t]!)),
      epsilon,
    );
    const wide = linear(tensors, `${layer}.ffn.lin1`, between).map((vector) => vector.map(activations.gelu!));
    const narrow = linear(tensors, `${layer}.ffn.lin2`, wide);
    hidden = layerNorm(
      tensors,
      `${layer}.output_layer_norm`,
      narrow.map((vector, t) => add(vector, between[t]!)),
      epsilon,
    );
  }
  const dense = linear(tensors, 'pre_classifier', [hidden[0]!])[0]!.map(activations.relu!);
  return { hidden, logits: linear(tensors, 'classifier', [dense])[0]! };
}

/** Logits of a token classifier, [tokens][labels]. */
export const tokenClassifier = (tensors: Tensors, hidden: Matrix): Matrix => linear(tensors, 'classifier', hidden);

/** Logits of a masked language model, [tokens][vocabulary]. `word`: the table of word embeddings. */
export function languageModel(
  tensors: Tensors,
  hidden: Matrix,
  names: { hidden: string; norm: string; bias: string; word: string },
  epsilon: number,
): Matrix {
  const inner = linear(tensors, names.hidden, hidden).map((vector) => vector.map(activations.gelu!));
  const read = layerNorm(tensors, names.norm, inner, epsilon);
  const bias = [...at(tensors, names.bias).array].map(Number);
  return read.map((vector) =>
    bias.map((start, id) => row(tensors, names.word, id).reduce((sum, w, i) => sum + w * vector[i]!, start)),
  );
}
