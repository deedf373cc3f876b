// content-order: the order before any split: present tokens ascending, then absent ones ascending; element (head, position).

vec2 element(int i, sampler2D mask, int hasMask, sampler2D counts, int heads, int tokens) {
  int position = i % tokens;
  if (hasMask == 0) return halvesOf(position);
  int batch = i / (tokens * heads);
  int present = int(at(counts, batch));
  bool wanted = position < present;
  int before = wanted ? position : position - present;
  for (int token = 0; token < tokens; token++) {
    if ((at(mask, batch * tokens + token) != 0.0) != wanted) continue;
    if (before == 0) return halvesOf(token);
    before--;
  }
  return halvesOf(-1);
}
