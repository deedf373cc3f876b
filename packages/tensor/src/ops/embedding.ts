// embedding: output[row] = word[tokenIds[row]] (+ position[positionIds[row]]) (+ type[typeIds[row]])
// With the word table alone it gathers rows of any matrix. An id outside its table gives a row of NaN, so that a bad
// id is seen in the result and never reads foreign memory.

import type { FloatDType } from '../dtype.ts';
import { checkDimensions, float, int32, type Op, specBytes } from './op.ts';

export interface EmbeddingProblem {
  readonly op: 'embedding';
  readonly rows: number;
  readonly modelDim: number;
  /** Rows of the word table. */
  readonly vocabulary: number;
  /** Rows of the position table; 0 = no positions. */
  readonly positions: number;
  /** Rows of the type table; 0 = no types. */
  readonly types: number;
  /** Of the tables and the output; absent = float32. */
  readonly dtype?: FloatDType;
}

export const embedding: Op<EmbeddingProblem> = {
  validate(p) {
    checkDimensions(p, 0, 'rows', 'positions', 'types');
    checkDimensions(p, 1, 'modelDim', 'vocabulary');
  },
  inputs: (p) => ({
    tokenIds: int32(p.rows),
    word: float(p.dtype, p.vocabulary, p.modelDim),
    ...(p.positions > 0 && { positionIds: int32(p.rows), position: float(p.dtype, p.positions, p.modelDim) }),
    ...(p.types > 0 && { typeIds: int32(p.rows), type: float(p.dtype, p.types, p.modelDim) }),
  }),
  outputs: (p) => ({ output: float(p.dtype, p.rows, p.modelDim) }),
  flops: (p) => p.rows * p.modelDim * (Number(p.positions > 0) + Number(p.types > 0)),
  readBytes(p) {
    const { word, position, type, ...ids } = embedding.inputs(p);
    const gathered = specBytes(embedding.outputs(p));
    const tables = [word, position, type].flatMap((table) => (table ? [Math.min(specBytes({ table }), gathered)] : []));
    return tables.reduce((sum, bytes) => sum + bytes, specBytes(ids));
  },
};
