// @flashmla/model-sentiment: where the shipped model lies. The files are data; loading and running them is the work of
// @flashmla/model-swap. This module imports nothing, so that it is the same in Node and in browsers.

/**
 * The model's folder, in Hugging Face layout: a BERT encoder for binary sentiment in English, labels 'negative' and
 * 'positive', up to 4096 tokens, weights in float16 (12.8 MB).
 *
 * In Node a `file:` URL. In browsers it is relative to where this module is served from, which a bundler may change:
 * then serve the files of `modelFiles` yourself and load the model from there.
 *
 * @example
 * const model = await loadModel(fileURLToPath(modelUrl)); // from '@flashmla/model-swap'
 */
export const modelUrl = new URL('../model/', import.meta.url);

/** The names of the files in that folder; all of them are needed to run the model. */
export const modelFiles = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'] as const;
