// How large a step is: linear warm-up, then half a cosine to zero (Loshchilov & Hutter 2017, arXiv 1608.03983).

/**
 * @param step from 0
 * @param warmUp share of the steps in which the rate rises
 */
export function learningRateAt(step: number, steps: number, learningRate: number, warmUp: number): number {
  const rising = Math.max(1, Math.round(steps * warmUp));
  if (step < rising) return (learningRate * (step + 1)) / rising;
  return (learningRate / 2) * (1 + Math.cos((Math.PI * (step - rising)) / Math.max(1, steps - rising)));
}
