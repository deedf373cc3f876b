// The content gate written down once more, as plainly as it goes: one head, arrays of rows, float64, an SVD. What the
// package's gate is compared with.

import { Matrix, SVD } from 'ml-matrix';

export type Rows = number[][];

/** A and B of rank r. Keys are centred per text. */
export function gateSpace(queries: readonly Rows[], keys: readonly Rows[], rank: number): { A: Matrix; B: Matrix } {
  const q = new Matrix(queries.flat());
  const k = new Matrix(keys.flatMap((rows) => new Matrix(rows).center('column').to2DArray()));
  const cq = q.transpose().mmul(q).div(q.rows);
  const ck = k.transpose().mmul(k).div(k.rows);
  const svd = new SVD(power(cq, 0.5).mmul(power(ck, 0.5)));
  const scale = Matrix.diag(svd.diagonal.slice(0, rank).map(Math.sqrt));
  const columns = (of: Matrix) => of.subMatrix(0, of.rows - 1, 0, rank - 1);
  return {
    A: power(cq, -0.5).mmul(columns(svd.leftSingularVectors)).mmul(scale),
    B: power(ck, -0.5).mmul(columns(svd.rightSingularVectors)).mmul(scale),
  };
}

/** A power of a symmetric matrix, by its own SVD; small eigenvalues are raised to 1e-5 of the largest. */
function power(matrix: Matrix, exponent: number): Matrix {
  const svd = new SVD(matrix);
  const least = 1e-5 * svd.diagonal[0];
  const powers = svd.diagonal.map((value) => Math.max(value, least) ** exponent);
  return svd.leftSingularVectors.mmul(Matrix.diag(powers)).mmul(svd.leftSingularVectors.transpose());
}

export const project = (rows: Rows, map: Matrix): Rows => new Matrix(rows).mmul(map).to2DArray();

/** Balanced kd-order: position → index. */
export function contentOrder(points: Rows, leaf = 16): number[] {
  const split = (members: number[]): number[] => {
    if (members.length <= leaf) return members;
    const variance = (axis: number) => {
      const mean = members.reduce((sum, i) => sum + points[i][axis], 0) / members.length;
      return members.reduce((sum, i) => sum + (points[i][axis] - mean) ** 2, 0);
    };
    const spreads = points[0].map((_, axis) => variance(axis));
    const axis = spreads.indexOf(Math.max(...spreads));
    const sorted = members.toSorted((a, b) => points[a][axis] - points[b][axis]);
    const half = Math.min(Math.max(leaf, Math.ceil(Math.floor(members.length / 2) / leaf) * leaf), members.length - 1);
    return [...split(sorted.slice(0, half)), ...split(sorted.slice(half))];
  };
  return split(points.map((_, index) => index));
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);

function top(scores: readonly number[], count: number): number[] {
  const best = scores.map((_, index) => index).sort((a, b) => scores[b] - scores[a]);
  return best.slice(0, count).sort((a, b) => a - b);
}

function blockMeans(rows: Rows, size: number): Rows {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, block) => {
    const members = rows.slice(block * size, (block + 1) * size);
    return members[0].map((_, i) => members.reduce((sum, row) => sum + row[i], 0) / members.length);
  });
}

/** For each query the k best positions of the key order. */
export function selectLists(queries: Rows, keys: Rows, keyOrder: readonly number[], k: number): number[][] {
  return queries.map((query) =>
    top(
      keyOrder.map((key) => dot(query, keys[key])),
      k,
    ),
  );
}

/** For each tile of 16 queries the k/16 best blocks of 16 positions. */
export function selectBlocks(
  queries: Rows,
  keys: Rows,
  queryOrder: readonly number[],
  keyOrder: readonly number[],
  k: number,
): number[][] {
  const tiles = blockMeans(
    queryOrder.map((query) => queries[query]),
    16,
  );
  const blocks = blockMeans(
    keyOrder.map((key) => keys[key]),
    16,
  );
  return tiles.map((tile) =>
    top(
      blocks.map((block) => dot(tile, block)),
      Math.max(1, Math.floor(k / 16)),
    ),
  );
}

interface Lists {
  indices: number[][];
  tile: number;
  block: number;
  queryOrder: readonly number[];
  keyOrder: readonly number[];
}

/** Exact softmax over the selected keys, plus one mean key a group for those that were not (group 0: none). */
export function attend(queries: Rows, keys: Rows, values: Rows, lists: Lists, group: number): Rows {
  const scale = 1 / Math.sqrt(keys[0].length);
  const output: Rows = new Array(queries.length);
  for (const [tile, blocks] of lists.indices.entries()) {
    const chosen = new Set(
      blocks.flatMap((block) => Array.from({ length: lists.block }, (_, i) => block * lists.block + i)),
    );
    const terms: { key: number[]; value: number[]; count: number }[] = [];
    for (let start = 0; start < keys.length; start += group || keys.length) {
      const left: number[] = [];
      for (let position = start; position < Math.min(start + (group || keys.length), keys.length); position++) {
        const key = lists.keyOrder[position];
        if (chosen.has(position)) terms.push({ key: keys[key], value: values[key], count: 1 });
        else left.push(key);
      }
      if (group === 0 || left.length === 0) continue;
      const mean = (rows: Rows) =>
        blockMeans(
          left.map((key) => rows[key]),
          left.length,
        )[0];
      terms.push({ key: mean(keys), value: mean(values), count: left.length });
    }
    for (const query of lists.queryOrder.slice(tile * lists.tile, (tile + 1) * lists.tile)) {
      const logits = terms.map(({ key, count }) => scale * dot(queries[query], key) + Math.log(count));
      const largest = Math.max(...logits);
      const weights = logits.map((logit) => Math.exp(logit - largest));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      output[query] = values[0].map(
        (_, d) => terms.reduce((sum, { value }, i) => sum + weights[i] * value[d], 0) / total,
      );
    }
  }
  return output;
}

/** ‖a − b‖ / ‖b‖ */
export function relativeError(a: Rows, b: Rows): number {
  const [x, y] = [a.flat(), b.flat()];
  return Math.sqrt(
    x.reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0) / y.reduce((sum, value) => sum + value ** 2, 0),
  );
}
