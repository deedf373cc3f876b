// How far what a model says is from what it says with dense attention.

/**
 * KL(dense ‖ given) of the labels' probabilities; of a model with one output, a score, half the squared difference.
 *
 * @param dense logits of one text, as many as `given` has
 */
export function divergence(dense: Float32Array, given: Float32Array): number {
  if (dense.length === 1) return (dense[0]! - given[0]!) ** 2 / 2;
  const [target, estimate] = [logProbabilities(dense), logProbabilities(given)];
  return target.reduce((sum, logarithm, i) => sum + Math.exp(logarithm) * (logarithm - estimate[i]!), 0);
}

function logProbabilities(logits: Float32Array): number[] {
  const most = Math.max(...logits);
  const logSum = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
  return Array.from(logits, (logit) => logit - logSum);
}
