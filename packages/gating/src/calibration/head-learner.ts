// What can be learned of one head, whatever the gate: its loss on a text, and how good what it selects is.

/** `Example`: what one text is to the head, made once and looked at in many steps. */
export interface HeadLearner<Example> {
  /** What learning starts from. */
  readonly start: Float64Array;
  /** Rows of an example: queries, or tiles of queries. */
  rowsOf(example: Example): number;
  /**
   * KL(dense attention ‖ softmax of the gate's scores), mean over the given rows: the distillation loss of SeerAttention
   * (arXiv 2410.13276). In nats.
   *
   * @param gradient its derivative by the parameters is added here
   */
  loss(parameters: Float64Array, example: Example, rows: readonly number[], gradient?: Float64Array): number;
  /** Share of dense attention on what the gate selects, mean over the example's queries. */
  recall(parameters: Float64Array, example: Example): number;
}

/** KL(target ‖ given) of two distributions, in nats; what the target has none of counts nothing. */
export function divergence(target: Float64Array, given: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < target.length; i++) {
    if (target[i] > 0) sum += target[i] * Math.log(target[i] / Math.max(given[i], Number.MIN_VALUE));
  }
  return sum;
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
