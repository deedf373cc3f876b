// cross-entropy: the softmax cross-entropy of each row of logits, and how all of them together change with the logits.
//
// loss[row] = ln Σ_c exp(logits[row, c]) − logits[row, label], and the gradient of scale · Σ_rows loss in the logits,
// logitsGradient[row, c] = scale · (softmax(logits[row])[c] − (c is the label)). With scale = 1 / (labelled rows) it is that
// of the mean. A row whose label names no class, −100 by custom, has none: its loss and gradient are 0.

import { checkDimensions, float32, int32, type Op } from './op.ts';

export interface CrossEntropyProblem {
  readonly op: 'cross-entropy';
  readonly rows: number;
  readonly classes: number;
  /** What the sum of all losses is multiplied by before it is differentiated; `loss` is without it. */
  readonly scale: number;
}

export const crossEntropy: Op<CrossEntropyProblem> = {
  validate: (p) => checkDimensions(p, 1, 'rows', 'classes'),
  inputs: (p) => ({ logits: float32(p.rows, p.classes), labels: int32(p.rows) }),
  outputs: (p) => ({ loss: float32(p.rows), logitsGradient: float32(p.rows, p.classes) }),
  flops: (p) => 5 * p.rows * p.classes,
};
