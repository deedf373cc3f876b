// From logits to a label and how sure the model is of it.

/** @param logits of one text; none for a model without a classification head */
export function answerOf(
  logits: readonly number[],
  labels: readonly string[],
): { label: string | undefined; confidence: number } {
  if (logits.length === 0) return { label: undefined, confidence: 0 };
  const top = Math.max(...logits);
  const confidence = 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0);
  return { label: labels[logits.indexOf(top)], confidence };
}
