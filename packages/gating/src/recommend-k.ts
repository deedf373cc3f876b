// How many keys a query attends to when the caller names no number.

/**
 * Selected keys per query by length: up to 128 tokens 16, up to 512 tokens 32, longer 64. What is not selected is stood
 * for by residual groups (see ContentGate), so that the number need not grow with the length.
 */
export function recommendK(tokens: number): number {
  if (tokens <= 128) return 16;
  return tokens <= 512 ? 32 : 64;
}
