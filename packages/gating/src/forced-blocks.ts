// Blocks that a BlockGate selects whatever their score.

/** The first block (CLS) and the tile's own with its two neighbours, as far as `slots` leave room for others. */
export const forcedBlocks = (slots: number) => ({
  forceFirst: slots >= 2 ? 1 : 0,
  /** 1 = the tile's own block, 2 = and its neighbours. */
  forceDiagonal: slots >= 4 ? 2 : 1,
});
