// The weights of an encoder as a graph takes them: plain arrays, by the part they play.

/** y = x·Wᵀ + b. */
export interface LinearWeights {
  /** [outputs, inputs] f32, the layout of a Hugging Face checkpoint. */
  weight: Float32Array;
  /** [outputs] f32. */
  bias: Float32Array;
}

/** Scale and shift of a layer normalisation, [modelDim] f32 each. */
export interface NormWeights {
  weight: Float32Array;
  bias: Float32Array;
}

/** One encoder layer with the normalisation after each residual (BERT, Devlin et al. 2018). */
export interface LayerWeights {
  query: LinearWeights;
  key: LinearWeights;
  value: LinearWeights;
  output: LinearWeights;
  attentionNorm: NormWeights;
  /** modelDim → intermediate size, followed by the activation. */
  intermediate: LinearWeights;
  /** Intermediate size → modelDim. */
  contract: LinearWeights;
  outputNorm: NormWeights;
}

/** Everything that stands before and behind the layers of a text model. */
export interface TextModelWeights {
  embedding: {
    word: Float32Array; // [vocabulary, modelDim]
    position: Float32Array; // [positions, modelDim]
    type?: Float32Array; // [types, modelDim]
    norm: NormWeights;
  };
  layers: readonly LayerWeights[];
  pooler?: LinearWeights;
  head?: { hidden?: LinearWeights; output: LinearWeights };
}
