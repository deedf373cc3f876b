// content-order: the variance of a node's points along a dimension: element (head, node, r). Nodes that are not split have 0.
// Sums are of differences to the node's first point, so that points far from the origin keep their digits.

float element(int i, sampler2D points, sampler2D order, sampler2D counts, int level, int leaf, int heads, int tokens, int rank) {
  int r = i % rank;
  int number = (i / rank) & ((1 << level) - 1);
  int head = (i / rank) >> level;
  ivec2 node = nodeOf(number, int(at(counts, head / heads)), leaf, level);
  if (node.y <= leaf) return 0.0;
  int start = head * tokens;
  float first = at(points, (start + intAt(order, start + node.x)) * rank + r);
  float sum = 0.0;
  float squares = 0.0;
  for (int position = node.x; position < node.x + node.y; position++) {
    sum += at(points, (start + intAt(order, start + position)) * rank + r) - first;
  }
  float mean = sum / float(node.y);
  for (int position = node.x; position < node.x + node.y; position++) {
    float difference = at(points, (start + intAt(order, start + position)) * rank + r) - first - mean;
    squares += difference * difference;
  }
  return squares / float(node.y);
}
