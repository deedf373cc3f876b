// select-top-k: element (head, tile, block) is the block's score for the tile; HIGHEST where it is forced, LOWEST where it
// may not be chosen: without a present key, wholly in the future, or in no coarse group that was chosen. Groups are scored
// by the same shader, as larger blocks that nothing forces.

float element(int i, sampler2D tileMeans, sampler2D blockMeans, sampler2D bias, int biasSpan, sampler2D groupScores, sampler2D groupLeast, int coarseBlocks, int groups, int tiles, int blocks, int rank, int heads, int tileQueries, int blockKeys, int queries, int keys, int causal, int forceFirst, int forceDiagonal) {
  int block = i % blocks;
  int row = i / blocks;
  int tile = row % tiles;
  int head = row / tiles;
  int blockStart = (head * blocks + block) * (rank + 4);
  if (at(blockMeans, blockStart + rank) == 0.0) return LOWEST;
  if (causal == 1 && block * blockKeys > min((tile + 1) * tileQueries, queries) - 1 + keys - queries) return LOWEST;
  if (block < forceFirst || abs(block - tile) < forceDiagonal) return HIGHEST;
  if (coarseBlocks > 0) {
    int group = block / coarseBlocks;
    if (!isSelected(at(groupScores, row * groups + group), group, pairAt(groupLeast, row))) return LOWEST;
  }
  int tileStart = (head * tiles + tile) * (rank + 4);
  float sum = dotOf(tileMeans, tileStart, blockMeans, blockStart, rank);
  if (biasSpan >= 0) {
    int distance = clamp(block - tile, -biasSpan, biasSpan);
    sum += at(bias, (head % heads) * (2 * biasSpan + 1) + distance + biasSpan);
  }
  return sum;
}
