// Reference of ops/cross-entropy.ts.

import type { CrossEntropyProblem } from '../ops/cross-entropy.ts';
import type { Reference } from './arrays.ts';

export const crossEntropy: Reference<CrossEntropyProblem> = ({ rows, classes, scale }, { logits, labels }) => {
  const loss = new Float64Array(rows);
  const logitsGradient = new Float64Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const label = labels[row];
    if (label < 0 || label >= classes) continue;
    const own = Float64Array.from(logits.subarray(row * classes, (row + 1) * classes));
    const largest = own.reduce((a, b) => Math.max(a, b));
    const logSum = largest + Math.log(own.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    loss[row] = logSum - own[label];
    logitsGradient.set(
      own.map((logit, c) => scale * (Math.exp(logit - logSum) - Number(c === label))),
      row * classes,
    );
  }
  return { loss, logitsGradient };
};
