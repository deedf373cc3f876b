// The head that a config names.

import type { HeadName, TextTokenizer } from '@flashmla/model-swap';
import { type Head, maskedLanguageModel, sequenceClassification, tokenClassification } from '@flashmla/train';
import { badInput } from '../errors.ts';

const heads: Readonly<Record<HeadName, (tokenizer: TextTokenizer) => Head>> = {
  'sequence-classification': () => sequenceClassification,
  'token-classification': () => tokenClassification,
  'masked-language-model'({ maskToken, specialTokens }) {
    if (maskToken !== undefined) return maskedLanguageModel({ maskToken, specialTokens });
    throw badInput(
      'the tokenizer has neither [MASK] nor <mask>, which a masked language model needs; give one that has.',
    );
  },
};

export const headNames = Object.keys(heads) as readonly HeadName[];

export const headOf = (name: HeadName, tokenizer: TextTokenizer): Head => heads[name](tokenizer);
