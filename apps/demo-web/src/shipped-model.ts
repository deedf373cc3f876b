// The shipped model as files of this site: Vite takes them from the package.

import config from '@flashmla/model-sentiment/model/config.json?url';
import gates from '@flashmla/model-sentiment/model/gates.json?url';
import gateTensors from '@flashmla/model-sentiment/model/gates.safetensors?url';
import weights from '@flashmla/model-sentiment/model/model.safetensors?url';
import tokenizer from '@flashmla/model-sentiment/model/tokenizer.json?url';
import tokenizerConfig from '@flashmla/model-sentiment/model/tokenizer_config.json?url';
import type { ModelChoice } from './engine/protocol.ts';

// A worker resolves relative URLs against its own script.
const absolute = (url: string) => new URL(url, document.baseURI).href;

export const shippedModel: ModelChoice = {
  name: '@flashmla/model-sentiment',
  urls: {
    'config.json': absolute(config),
    'model.safetensors': absolute(weights),
    'tokenizer.json': absolute(tokenizer),
    'gates.json': absolute(gates),
    'gates.safetensors': absolute(gateTensors),
    'tokenizer_config.json': absolute(tokenizerConfig),
  },
};
