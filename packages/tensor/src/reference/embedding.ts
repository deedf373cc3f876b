// Reference of ops/embedding.ts: output[row] = word[tokenIds[row]] (+ position[positionIds[row]]) (+ type[typeIds[row]]).

import type { EmbeddingProblem } from '../ops/embedding.ts';
import type { NumberArray, Reference } from './arrays.ts';

export const embedding: Reference<EmbeddingProblem> = (p, inputs, stored) => {
  const output = new Float64Array(p.rows * p.modelDim);
  const add = (table: NumberArray, tableRows: number, ids: NumberArray) => {
    for (let row = 0; row < p.rows; row++) {
      const id = ids[row];
      const inTable = id >= 0 && id < tableRows;
      for (let i = 0; i < p.modelDim; i++) {
        const at = row * p.modelDim + i;
        output[at] = stored(output[at] + (inTable ? table[id * p.modelDim + i] : Number.NaN));
      }
    }
  };
  add(inputs.word, p.vocabulary, inputs.tokenIds);
  if (p.positions > 0) add(inputs.position, p.positions, inputs.positionIds);
  if (p.types > 0) add(inputs.type, p.types, inputs.typeIds);
  return { output };
};
