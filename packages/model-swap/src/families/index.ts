// The families of encoders there are, by config.json's model_type. Adding one: its file beside this one, a line here,
// and a case in test/families.test.ts.

import { FlashMLAError } from '@flashmla/tensor';
import type { Architecture } from '../architecture.ts';
import { Config } from '../config.ts';
import { invalidFile, type JsonObject } from '../files/text-file.ts';
import { bert } from './bert.ts';
import { distilbert } from './distilbert.ts';
import { roberta } from './roberta.ts';

const FAMILIES: Readonly<Record<string, (config: Config) => Architecture>> = {
  bert,
  distilbert,
  roberta,
  'xlm-roberta': roberta,
};

/** What config.json describes. Raises FlashMLAError 'unsupported' or 'invalid-file', naming the field. */
export function architectureOf(fields: JsonObject): Architecture {
  const type = fields.model_type;
  const family = typeof type === 'string' && Object.hasOwn(FAMILIES, type) && FAMILIES[type];
  if (!family) {
    throw new FlashMLAError(
      'unsupported',
      `[model-swap] config.json: model_type is ${type === undefined ? 'missing' : JSON.stringify(type)}; ` +
        `supported: ${Object.keys(FAMILIES).join(', ')}.`,
    );
  }
  const architecture = family(new Config(fields));
  const { modelDim, heads } = architecture;
  if (modelDim % heads !== 0) {
    throw invalidFile(
      'config.json',
      `a width of ${modelDim} can't be split into ${heads} attention heads; make it a multiple.`,
    );
  }
  return architecture;
}
