// embedding-gradient: the gradients of an embedding (embedding.ts) in its tables, given that in its output.
//
// tableGradient[id] = Σ outputGradient[row] over the rows with that id, in their order; 0 for an id that no row has. An id
// outside its table adds to nothing. With the word table alone it is the gradient of a gather: rows go back to where they
// were taken from in a matrix of `vocabulary` rows.

import { type EmbeddingProblem, embedding } from './embedding.ts';
import { checkDimensions, float32, type Op } from './op.ts';

export interface EmbeddingGradientProblem extends Omit<EmbeddingProblem, 'op' | 'dtype'> {
  readonly op: 'embedding-gradient';
}

export const embeddingGradient: Op<EmbeddingGradientProblem> = {
  validate(p) {
    checkDimensions(p, 1, 'rows');
    embedding.validate({ ...p, op: 'embedding' });
  },
  inputs(p) {
    const { word, position, type, ...ids } = embedding.inputs({ ...p, op: 'embedding' });
    return { ...ids, outputGradient: float32(p.rows, p.modelDim) };
  },
  outputs: (p) => ({
    wordGradient: float32(p.vocabulary, p.modelDim),
    ...(p.positions > 0 && { positionGradient: float32(p.positions, p.modelDim) }),
    ...(p.types > 0 && { typeGradient: float32(p.types, p.modelDim) }),
  }),
  flops: (p) => p.rows * p.modelDim * (1 + Number(p.positions > 0) + Number(p.types > 0)),
};
