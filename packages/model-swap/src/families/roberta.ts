// RoBERTa (Liu et al. 2019, arXiv 1907.11692) and XLM-RoBERTa (Conneau et al. 2019, arXiv 1911.02116): BERT's trunk,
// positions counted from after the padding token's number, one token type, and a head with a hidden layer of its own.

import type { Architecture } from '../architecture.ts';
import type { Config } from '../config.ts';
import { invalidFile } from '../files/text-file.ts';
import { bertTrunk } from './bert.ts';
import { languageModel, linear } from './needs.ts';

export function roberta(config: Config): Architecture {
  const trunk = bertTrunk(config, 'roberta.');
  const { modelDim, labels, positions } = trunk;
  const padToken = config.whole('pad_token_id', 0, 1);
  const firstPosition = padToken + 1;
  if (positions <= firstPosition) {
    throw invalidFile(
      'config.json',
      `max_position_embeddings is ${positions}; expected more than pad_token_id + 1 = ${firstPosition}, where positions start.`,
    );
  }
  const { headName, head } = config.head();
  const headNeeds = {
    'sequence-classification': {
      hidden: linear('classifier.dense', modelDim, modelDim),
      output: linear('classifier.out_proj', labels.length, modelDim),
    },
    'token-classification': { output: linear('classifier', labels.length, modelDim) },
    'masked-language-model': languageModel(['lm_head.dense', 'lm_head.layer_norm', 'lm_head.bias'], trunk),
  };
  return {
    ...trunk,
    padToken,
    firstPosition,
    skipsPadTokens: true,
    maxTokens: positions - firstPosition,
    headName,
    headReadsPooled: false,
    // Both fixed in the model's own code.
    headActivation: headName === 'masked-language-model' ? 'gelu' : 'tanh',
    pooler: head === 'required' ? 'none' : 'optional',
    head,
    needs: { ...trunk.needs, pooler: linear('roberta.pooler.dense', modelDim, modelDim), head: headNeeds[headName] },
  };
}
