// sparse-attention: the lists without what must be ignored: element i is the block of entry i, or −1 if it names none or
// an entry before it names the same.

float element(int i, sampler2D indices, int slots, int blocks) {
  int block = intAt(indices, i);
  if (block < 0 || block >= blocks) return -1.0;
  for (int j = (i / slots) * slots; j < i; j++) {
    if (intAt(indices, j) == block) return -1.0;
  }
  return float(block);
}
