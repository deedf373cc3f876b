// select-slots: element (batch, head, query, entry) is entry `entry` of the list of the query's best slot; the smaller
// slot among equals.

vec2 element(int i, sampler2D scores, sampler2D kept, int heads, int tokens, int slotCount, int slots) {
  int query = (i / slots) % tokens;
  int row = i / (slots * tokens);
  int start = (((row / heads) * tokens + query) * heads + row % heads) * slotCount;
  int best = 0;
  float highest = at(scores, start);
  for (int slot = 1; slot < slotCount; slot++) {
    float score = at(scores, start + slot);
    if (score > highest) {
      best = slot;
      highest = score;
    }
  }
  return pairAt(kept, (row * slotCount + best) * slots + i % slots);
}
