// The size of the groups whose mean stands in for the keys that a query did not select.

const smallestGroup = 16;
const mostGroups = 32;

/**
 * Keys of a residual group: 16, doubled as often as it takes to need no more than 32 groups, so that the cost of a query
 * does not grow with the length. Constant within a power-of-two class of lengths, so that padding changes nothing there.
 *
 * Why 16 and not the 64 of clustered attention's kin: short texts have few groups either way, and their means are the
 * closer the smaller they are (SST-2, K = 16: see docs/decisions/0007-small-residual-groups.md).
 */
export function residualGroup(keys: number): number {
  const times = Math.ceil(Math.log2(Math.max(1, keys / (smallestGroup * mostGroups))));
  return smallestGroup * 2 ** times;
}
