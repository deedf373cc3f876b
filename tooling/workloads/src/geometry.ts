// The sizes of the encoder that is measured.

export interface Geometry {
  readonly modelDim: number;
  readonly heads: number;
  readonly headDim: number;
  readonly intermediateDim: number;
  readonly layers: number;
}

/** Devlin et al. 2018, arXiv 1810.04805. */
export const bertBase: Geometry = { modelDim: 768, heads: 12, headDim: 64, intermediateDim: 3072, layers: 12 };
