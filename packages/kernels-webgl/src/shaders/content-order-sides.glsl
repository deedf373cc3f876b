// content-order: which part of its node a token goes to: 0 to the left, 1 to the right; element (head, position). A token
// goes left when fewer than the left part's size come before it along the node's dimension, token order deciding among
// equals.

float element(int i, sampler2D points, sampler2D order, sampler2D counts, sampler2D axes, int level, int leaf, int heads, int tokens, int rank) {
  int head = i / tokens;
  int start = head * tokens;
  int position = i - start;
  int count = int(at(counts, head / heads));
  if (position >= count) return 0.0;
  ivec3 node = nodeAt(position, count, leaf, level);
  if (node.y <= leaf) return 0.0;
  int axis = int(at(axes, (head << level) + node.z));
  float value = at(points, (start + intAt(order, i)) * rank + axis);
  int before = 0;
  for (int other = node.x; other < node.x + node.y; other++) {
    float otherValue = at(points, (start + intAt(order, start + other)) * rank + axis);
    // The tokens of a node are ascending, so positions compare as they do.
    if (otherValue < value || (otherValue == value && other < position)) before++;
  }
  return before < childOf(node.xy, leaf, false).y ? 0.0 : 1.0;
}
