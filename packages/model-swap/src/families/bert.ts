// BERT (Devlin et al. 2018, arXiv 1810.04805), Hugging Face names. MiniLM and other distillations are BERT with other
// sizes. RoBERTa shares the trunk (roberta.ts).

import type { Architecture, EncoderParts, TensorNeed } from '../architecture.ts';
import type { Config } from '../config.ts';
import { languageModel, linear, norm, repeat, table } from './needs.ts';

export function bert(config: Config): Architecture {
  const trunk = bertTrunk(config, 'bert.');
  const { modelDim, labels } = trunk;
  const { headName, head } = config.head();
  const headReadsPooled = headName === 'sequence-classification';
  const classifier = { output: linear('classifier', labels.length, modelDim) };
  const transform = 'cls.predictions.transform';
  const headNeeds = {
    'sequence-classification': classifier,
    'token-classification': classifier,
    'masked-language-model': languageModel(
      [`${transform}.dense`, `${transform}.LayerNorm`, 'cls.predictions.bias'],
      trunk,
    ),
  };
  return {
    ...trunk,
    headName,
    headReadsPooled,
    headActivation: trunk.activation,
    pooler: headReadsPooled && head === 'required' ? 'required' : 'optional',
    head,
    needs: { ...trunk.needs, pooler: linear('bert.pooler.dense', modelDim, modelDim), head: headNeeds[headName] },
  };
}

/** What BERT and RoBERTa share: all but pooler and head. `prefix` opens the names of the trunk's tensors. */
export function bertTrunk(config: Config, prefix: string) {
  config.only('position_embedding_type', 'absolute');
  config.only('is_decoder', false);
  const modelDim = config.whole('hidden_size', 1);
  const heads = config.whole('num_attention_heads', 1);
  const intermediateDim = config.whole('intermediate_size', 1);
  const vocabulary = config.whole('vocab_size', 1);
  const positions = config.whole('max_position_embeddings', 1);
  const types = config.whole('type_vocab_size', 1, 2);
  const needs: EncoderParts<TensorNeed> = {
    embedding: {
      word: table(`${prefix}embeddings.word_embeddings.weight`, vocabulary, modelDim),
      position: table(`${prefix}embeddings.position_embeddings.weight`, positions, modelDim),
      type: table(`${prefix}embeddings.token_type_embeddings.weight`, types, modelDim),
      norm: norm(`${prefix}embeddings.LayerNorm`, modelDim),
    },
    layers: repeat(config.whole('num_hidden_layers', 1), (index) => {
      const layer = `${prefix}encoder.layer.${index}`;
      return {
        query: linear(`${layer}.attention.self.query`, modelDim, modelDim),
        key: linear(`${layer}.attention.self.key`, modelDim, modelDim),
        value: linear(`${layer}.attention.self.value`, modelDim, modelDim),
        output: linear(`${layer}.attention.output.dense`, modelDim, modelDim),
        attentionNorm: norm(`${layer}.attention.output.LayerNorm`, modelDim),
        intermediate: linear(`${layer}.intermediate.dense`, intermediateDim, modelDim),
        contract: linear(`${layer}.output.dense`, modelDim, intermediateDim),
        outputNorm: norm(`${layer}.output.LayerNorm`, modelDim),
      };
    }),
  };
  return {
    modelType: String(config.fields.model_type),
    modelDim,
    heads,
    headDim: modelDim / heads,
    intermediateDim,
    vocabulary,
    positions,
    firstPosition: 0,
    skipsPadTokens: false,
    types,
    padToken: config.whole('pad_token_id', 0, 0),
    normEpsilon: config.positive('layer_norm_eps', 1e-12),
    activation: config.activation('hidden_act'),
    maxTokens: positions,
    labels: config.labels(),
    prefix,
    needs,
  };
}
