// select-slots: scores [batch, tokens, heads, slotCount] as rows of tokens: element (batch, head, slot, token), LOWEST
// where the token is absent.

float element(int i, sampler2D scores, sampler2D mask, int hasMask, int heads, int tokens, int slotCount) {
  int token = i % tokens;
  int slot = (i / tokens) % slotCount;
  int row = i / (tokens * slotCount);
  int batch = row / heads;
  if (!isPresent(mask, hasMask, batch * tokens + token)) return LOWEST;
  return at(scores, ((batch * tokens + token) * heads + row % heads) * slotCount + slot);
}
