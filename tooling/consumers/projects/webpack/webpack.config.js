import { resolve } from 'node:path';

export default {
  mode: 'production',
  entry: './src/main.js',
  output: { path: resolve('public') },
  // As the README of @flashmla/model-sentiment says: the model is larger than webpack finds good for a page.
  performance: { hints: false },
};
