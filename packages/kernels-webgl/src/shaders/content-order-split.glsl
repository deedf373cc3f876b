// content-order: the order after a split: of each node, the tokens that go left, then those that go right, both ascending
// as they were; element (head, position).

vec2 element(int i, sampler2D order, sampler2D counts, sampler2D sides, int level, int leaf, int heads, int tokens) {
  int head = i / tokens;
  int start = head * tokens;
  int position = i - start;
  int count = int(at(counts, head / heads));
  ivec3 node = nodeAt(position, count, leaf, level);
  if (position >= count || node.y <= leaf) return pairAt(order, i);
  ivec2 left = childOf(node.xy, leaf, false);
  bool right = position >= left.x + left.y;
  int before = position - (right ? left.x + left.y : left.x);
  for (int other = node.x; other < node.x + node.y; other++) {
    if ((at(sides, start + other) != 0.0) != right) continue;
    if (before == 0) return pairAt(order, start + other);
    before--;
  }
  return pairAt(order, i);
}
