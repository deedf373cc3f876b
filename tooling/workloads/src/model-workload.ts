// A whole text model, from token ids to logits (to hidden states, where it has no head): loaded by model-swap as users
// load it, and the same weights as an ONNX model. Texts are this project's samples, cut to equal lengths.
//
// Timed are logits alone; compared are the last hidden states, every token of every text.

import {
  type Architecture,
  type EncodedText,
  type EncoderModel,
  type EncoderParts,
  type LayerParts,
  type LinearParts,
  type NormParts,
  type RunOptions,
  sampleTexts,
  swapAttention,
} from '@flashmla/model-swap';
import { FlashMLAError, type HostTensor } from '@flashmla/tensor';
import type { Precision } from './onnx/model-graph.ts';
import { textModel } from './onnx/onnx-model.ts';
import type { LayerWeights, LinearWeights, NormWeights, TextModelWeights } from './onnx/weights.ts';
import type { OwnRun, PeerGraph, PeerInput, Workload } from './workload.ts';

interface HostModel {
  readonly architecture: Architecture;
  readonly parts: EncoderParts<HostTensor>;
}

/** Tokens of a sample text, at least, whatever the tokenizer. */
const sampleTokens = 280;

export class ModelWorkloads {
  readonly #model: EncoderModel;
  readonly #graphs: Readonly<Record<Precision, readonly PeerGraph[]>>;

  /**
   * @param model its attention is exchanged here
   * @param source what `readModel` gives of the same model, for the peers; without it they have nothing to run
   */
  constructor(model: EncoderModel, source?: HostModel) {
    this.#model = model;
    // The same objects for all lengths: what a peer loads is then written once.
    this.#graphs = { float32: source ? graphsOf(source, 'float32') : [], int8: source ? graphsOf(source, 'int8') : [] };
  }

  /** The texts that a workload of this size runs. */
  texts(tokens: number, batch: number): EncodedText[] {
    return Array.from({ length: batch }, (_, index) => textOf(this.#model, tokens, index));
  }

  /**
   * @param tokens of each text
   * @param batch texts that run together
   * @throws FlashMLAError 'invalid-argument' for texts longer than the model takes
   */
  workloadOf(tokens: number, k: number, batch: number): Workload {
    const model = this.#model;
    const { maxTokens } = model.tokenizer;
    if (tokens > maxTokens) {
      throw new FlashMLAError(
        'invalid-argument',
        `[flashmla] ${tokens} tokens were asked for, this model takes at most ${maxTokens}. Ask for fewer, or leave --model out: ` +
          'BERT-base is made as long as it has to be.',
      );
    }
    const texts = this.texts(tokens, batch);
    const hasHead = model.head === 'sequence-classification';
    // The gates of a model's files are its own; others are fitted to the sample texts, in the first run.
    swapAttention(model, { k, crossover: 0 });
    const own = (dense: boolean): OwnRun => {
      const attention: Pick<RunOptions, 'attention'> = dense ? { attention: (layer) => layer.dense } : {};
      return {
        async run(signal) {
          if (hasHead) await model.run(texts, { ...attention, hidden: false, signal });
          else await model.run(texts, { ...attention, signal });
        },
        async output(signal) {
          const { lastHiddenState } = await model.run(texts, { ...attention, signal });
          return lastHiddenState.array as Float32Array;
        },
      };
    };
    return {
      own: { 'flashmla-sparse': own(false), 'flashmla-dense': own(true) },
      boundaryBytes: 0,
      peerGraphs: (precision) => this.#graphs[precision],
      peerInputs: inputsOf(texts, tokens, model.architecture),
      peerOutputs: { timed: hasHead ? 'logits' : 'hidden', compared: 'hidden' },
      dispose() {},
    };
  }
}

/** Sample texts in another order for each `index`, cut to exactly `tokens`. */
function textOf(model: EncoderModel, tokens: number, index: number): EncodedText {
  const count = Math.ceil(tokens / sampleTokens) + 1;
  const text = Array.from({ length: count }, (_, i) => sampleTexts[(index + i) % sampleTexts.length]!).join(' ');
  const [encoded] = model.encode([text], { maxTokens: tokens });
  if (encoded!.ids.length === tokens) return encoded!;
  throw new FlashMLAError(
    'unsupported',
    `[flashmla] the sample texts give ${encoded!.ids.length} of ${tokens} tokens with this model's tokenizer. Ask for fewer.`,
  );
}

function inputsOf(
  texts: readonly EncodedText[],
  tokens: number,
  { types, firstPosition }: Architecture,
): Record<string, PeerInput> {
  const table = (part: 'ids' | 'types') => ({
    data: BigInt64Array.from(
      texts.flatMap((text) => [...text[part]]),
      BigInt,
    ),
    shape: [texts.length, tokens],
  });
  const positions = BigInt64Array.from({ length: tokens }, (_, index) => BigInt(firstPosition + index));
  return {
    tokenIds: table('ids'),
    positionIds: { data: positions, shape: [tokens] },
    ...(types > 0 && { typeIds: table('types') }),
  };
}

function graphsOf({ architecture, parts }: HostModel, precision: Precision): readonly PeerGraph[] {
  const { headName, heads, activation, headReadsPooled, headActivation, normEpsilon: epsilon } = architecture;
  const sizes = { heads, activation, headReadsPooled, headActivation, epsilon, precision };
  const { head, ...encoder } = parts;
  // Heads over tokens are not part of the comparison.
  const compared = headName === 'sequence-classification' ? parts : encoder;
  return [false, true].map((fused) => ({
    name: fused ? 'fused' : 'plain',
    bytes: () => textModel({ ...sizes, fused, weights: weightsOf(compared) }),
  }));
}

function weightsOf({ embedding, layers, pooler, head }: EncoderParts<HostTensor>): TextModelWeights {
  const { word, position, type, norm } = embedding;
  return {
    embedding: {
      word: floats(word),
      position: floats(position),
      ...(type && { type: floats(type) }),
      norm: pair(norm),
    },
    layers: layers.map(layerOf),
    ...(pooler && { pooler: pair(pooler) }),
    ...(head && {
      head: { output: pair({ weight: word, ...head.output }), ...(head.hidden && { hidden: pair(head.hidden) }) },
    }),
  };
}

const layerOf = ({ contract, ...parts }: LayerParts<HostTensor>): LayerWeights => ({
  query: pair(parts.query),
  key: pair(parts.key),
  value: pair(parts.value),
  output: pair(parts.output),
  attentionNorm: pair(parts.attentionNorm),
  intermediate: pair(parts.intermediate),
  contract: pair(contract),
  outputNorm: pair(parts.outputNorm),
});

const floats = (tensor: HostTensor) => tensor.array as Float32Array;

const pair = ({ weight, bias }: LinearParts<HostTensor> | NormParts<HostTensor>): LinearWeights & NormWeights => ({
  weight: floats(weight),
  bias: floats(bias),
});
