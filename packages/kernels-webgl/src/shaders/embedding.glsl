// embedding: the sum of one row of each table; NaN for an id outside its table.

float rowOf(sampler2D table, sampler2D ids, int tableRows, int row, int column, int modelDim) {
  int id = intAt(ids, row);
  return id >= 0 && id < tableRows ? at(table, id * modelDim + column) : notANumber();
}

float element(int i, sampler2D word, sampler2D tokenIds, int vocabulary, sampler2D position, sampler2D positionIds, int positions, sampler2D type, sampler2D typeIds, int types, int modelDim) {
  int row = i / modelDim;
  int column = i % modelDim;
  float sum = rowOf(word, tokenIds, vocabulary, row, column, modelDim);
  if (positions > 0) sum += rowOf(position, positionIds, positions, row, column, modelDim);
  if (types > 0) sum += rowOf(type, typeIds, types, row, column, modelDim);
  return sum;
}
