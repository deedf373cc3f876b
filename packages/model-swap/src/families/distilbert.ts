// DistilBERT (Sanh et al. 2019, arXiv 1910.01108): a BERT trunk under names of its own, without token types and pooler.

import type { Architecture } from '../architecture.ts';
import type { Config } from '../config.ts';
import { languageModel, linear, norm, repeat, table } from './needs.ts';

export function distilbert(config: Config): Architecture {
  const modelDim = config.whole('dim', 1);
  const heads = config.whole('n_heads', 1);
  const intermediateDim = config.whole('hidden_dim', 1);
  const vocabulary = config.whole('vocab_size', 1);
  const positions = config.whole('max_position_embeddings', 1);
  const labels = config.labels();
  const activation = config.activation('activation');
  const { headName, head } = config.head();
  const output = linear('classifier', labels.length, modelDim);
  const headNeeds = {
    'sequence-classification': { hidden: linear('pre_classifier', modelDim, modelDim), output },
    'token-classification': { output },
    'masked-language-model': languageModel(['vocab_transform', 'vocab_layer_norm', 'vocab_projector.bias'], {
      modelDim,
      vocabulary,
    }),
  };
  const prefix = 'distilbert.';
  return {
    modelType: 'distilbert',
    modelDim,
    heads,
    headDim: modelDim / heads,
    intermediateDim,
    vocabulary,
    positions,
    firstPosition: 0,
    skipsPadTokens: false,
    types: 0,
    padToken: config.whole('pad_token_id', 0, 0),
    normEpsilon: 1e-12, // fixed in the model's own code
    activation,
    maxTokens: positions,
    headName,
    headReadsPooled: false,
    headActivation: headName === 'masked-language-model' ? activation : 'relu',
    labels,
    pooler: 'none',
    head,
    prefix,
    needs: {
      embedding: {
        word: table(`${prefix}embeddings.word_embeddings.weight`, vocabulary, modelDim),
        position: table(`${prefix}embeddings.position_embeddings.weight`, positions, modelDim),
        norm: norm(`${prefix}embeddings.LayerNorm`, modelDim),
      },
      layers: repeat(config.whole('n_layers', 1), (index) => {
        const layer = `${prefix}transformer.layer.${index}`;
        return {
          query: linear(`${layer}.attention.q_lin`, modelDim, modelDim),
          key: linear(`${layer}.attention.k_lin`, modelDim, modelDim),
          value: linear(`${layer}.attention.v_lin`, modelDim, modelDim),
          output: linear(`${layer}.attention.out_lin`, modelDim, modelDim),
          attentionNorm: norm(`${layer}.sa_layer_norm`, modelDim),
          intermediate: linear(`${layer}.ffn.lin1`, intermediateDim, modelDim),
          contract: linear(`${layer}.ffn.lin2`, modelDim, intermediateDim),
          outputNorm: norm(`${layer}.output_layer_norm`, modelDim),
        };
      }),
      head: headNeeds[headName],
    },
  };
}
