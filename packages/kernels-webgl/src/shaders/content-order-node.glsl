// The nodes of content-order's tree, which are the same for any points: (first position, tokens) of a node, found from
// the root down.

ivec2 childOf(ivec2 node, int leaf, bool right) {
  int cut = ((node.y / 2 + leaf - 1) / leaf) * leaf;
  return right ? ivec2(node.x + cut, node.y - cut) : ivec2(node.x, cut);
}

// The node of depth `level` at a position, and its number among all of that depth: left is 0, right is 1, bit by bit. A
// node that is small enough is its own left child.
ivec3 nodeAt(int position, int count, int leaf, int level) {
  ivec2 node = ivec2(0, count);
  int number = 0;
  for (int depth = 0; depth < level; depth++) {
    bool right = false;
    if (node.y > leaf) {
      ivec2 left = childOf(node, leaf, false);
      right = position >= left.x + left.y;
      node = childOf(node, leaf, right);
    }
    number = 2 * number + (right ? 1 : 0);
  }
  return ivec3(node, number);
}

// The node of depth `level` with a number; no tokens where the tree has none.
ivec2 nodeOf(int number, int count, int leaf, int level) {
  ivec2 node = ivec2(0, count);
  for (int depth = level - 1; depth >= 0; depth--) {
    bool right = ((number >> depth) & 1) == 1;
    if (node.y > leaf) node = childOf(node, leaf, right);
    else if (right) return ivec2(0, 0);
  }
  return node;
}
