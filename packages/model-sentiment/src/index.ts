// @flashmla/model-sentiment: where the shipped model lies. The files are data; loading and running them is the work of
// @flashmla/model-swap. This module imports nothing, so that it is the same in Node and in browsers.

/**
 * The files of the model, in Hugging Face layout: a BERT encoder for binary sentiment in English, labels 'negative' and
 * 'positive', up to 4096 tokens, weights in float16 (12.8 MB), and its calibrated gates. `file:` URLs in Node; Vite and webpack follow each of them
 * and make the file part of what they build.
 *
 * @example
 * const model = await loadModel(modelFiles); // from '@flashmla/model-swap'
 */
export const modelFiles = {
  'config.json': new URL('../model/config.json', import.meta.url),
  'gates.json': new URL('../model/gates.json', import.meta.url),
  'gates.safetensors': new URL('../model/gates.safetensors', import.meta.url),
  'model.safetensors': new URL('../model/model.safetensors', import.meta.url),
  'tokenizer.json': new URL('../model/tokenizer.json', import.meta.url),
  'tokenizer_config.json': new URL('../model/tokenizer_config.json', import.meta.url),
} as const;

/**
 * The folder in which they lie, for what wants a path: `fileURLToPath(modelUrl)`. Not for what a bundler builds, which
 * has no such folder.
 */
export const modelUrl = new URL(/* @vite-ignore */ '../model/', import.meta.url);
