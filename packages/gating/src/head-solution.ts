// The best gate space of one head, in closed form.
//
// With C_q = E[q·qᵀ] and C_k the covariance of k (the mean of k moves all logits of a row alike, so it is left out), the
// error of the estimate q·A·Bᵀ·k over independent q and k is ‖C_q^½ (I − A·Bᵀ) C_k^½‖. By Eckart and Young (1936) it is
// least, for r columns, with the SVD C_q^½·C_k^½ = U·Σ·Vᵀ: A = C_q^−½·U_r·Σ_r^½ and B = C_k^−½·V_r·Σ_r^½.
//
// Two symmetric eigenproblems give the same, without an SVD or a root of C_k. C_k^½·C_q^½·U = V·Σ makes B = C_q^½·U·Σ^−½,
// and U·Σ²·Uᵀ = C_q^½·C_k·C_q^½. In the eigenbasis of C_q = Q·D·Qᵀ, with U = Q·P, that is
// D^½·Qᵀ·C_k·Q·D^½ = P·Σ²·Pᵀ, A = Q·D^−½·P·Σ^½, B = Q·D^½·P·Σ^−½.

import { FlashMLAError } from '@flashmla/tensor';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** Second moments of one head, each symmetric [headDim, headDim]. */
export interface HeadMoments {
  /** E[q·qᵀ] */
  readonly query: Matrix;
  /** Covariance of k. */
  readonly key: Matrix;
}

export interface HeadSolution {
  readonly width: number;
  /** A, row-major [headDim, width], columns by falling singular value. */
  readonly queryMap: Float64Array;
  /** B, the same. */
  readonly keyMap: Float64Array;
  /** All headDim of them, falling. */
  readonly singularValues: readonly number[];
}

/** Eigenvalues of C_q below this share of the largest count as this share: directions that no sample has shown. */
const leastEigenvalue = 1e-5;
/** Singular values below this share of the largest are noise; their columns are zero. */
const leastSingularValue = 1e-9;

/**
 * The maps of the best `width` dimensions.
 *
 * @param breathe awaited between the two eigenproblems, each some milliseconds of work
 * @throws FlashMLAError 'invalid-argument' when the moments are not finite
 */
export async function solveHead(
  moments: HeadMoments,
  width: number,
  breathe: () => Promise<void>,
): Promise<HeadSolution> {
  if (!Number.isFinite(moments.query.sum() + moments.key.sum())) {
    throw new FlashMLAError(
      'invalid-argument',
      '[gating] content: the queries and keys to fit on hold NaN or infinity; check the weights and texts they come from.',
    );
  }
  const headDim = moments.query.rows;
  const basis = symmetricEigen(moments.query);
  const floor = leastEigenvalue * Math.max(...basis.values) || 1;
  const roots = basis.values.map((value) => Math.sqrt(Math.max(value, floor)));
  await breathe();

  const rotated = basis.vectors.transpose().mmul(moments.key).mmul(basis.vectors);
  const product = symmetricEigen(rotated.mulRowVector(roots).mulColumnVector(roots));
  await breathe();
  const falling = product.values.map((value, column) => ({ singular: Math.sqrt(Math.max(0, value)), column }));
  falling.sort((a, b) => b.singular - a.singular);
  const singularValues = falling.map(({ singular }) => singular);

  const least = leastSingularValue * singularValues[0];
  const used = falling.slice(0, width).map((one) => (one.singular > least ? one : undefined));
  /** Q·D^(rootPower/2)·P·Σ^singularPower, row-major. */
  const map = (rootPower: number, singularPower: number) => {
    const scaled = new Matrix(headDim, width);
    for (const [target, one] of used.entries()) {
      if (!one) continue;
      const factor = one.singular ** singularPower;
      for (let row = 0; row < headDim; row++) {
        scaled.set(row, target, factor * roots[row] ** rootPower * product.vectors.get(row, one.column));
      }
    }
    return Float64Array.from(basis.vectors.mmul(scaled).to1DArray());
  };
  return { width, queryMap: map(-1, 0.5), keyMap: map(1, -0.5), singularValues };
}

function symmetricEigen(matrix: Matrix): { vectors: Matrix; values: number[] } {
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  return { vectors: eigenvectorMatrix, values: realEigenvalues };
}
