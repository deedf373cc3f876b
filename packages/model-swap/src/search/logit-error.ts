// How far what a model says is from what it says with dense attention.

/**
 * Mean squared difference of the logits, of each text's the mean taken off: what moves all labels alike moves no probability.
 * A score, the one logit of a regression, is as it is. Not the logitError of the probabilities: of most texts that is next to
 * nothing, and a few undecided ones make up its mean, so that it takes hundreds of texts to be known (SST-2: mean 0.045,
 * median 0.0008, 0.001 on eight texts).
 *
 * @param dense logits of one text, as many as `given` has
 */
export function logitError(dense: Float32Array, given: Float32Array): number {
  const labels = dense.length;
  const shifts = dense.map((logit, i) => given[i]! - logit);
  const mean = labels === 1 ? 0 : shifts.reduce((sum, shift) => sum + shift, 0) / labels;
  return shifts.reduce((sum, shift) => sum + (shift - mean) ** 2, 0) / labels;
}
