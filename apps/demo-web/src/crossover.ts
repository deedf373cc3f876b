// Where the two lines of the chart cross: from there on sparse is faster. Pure.

import type { Point } from './engine/protocol.ts';

/**
 * The length from which sparse is faster at all longer ones measured, between its neighbours as straight lines on
 * logarithmic axes have it; undefined where sparse is not faster at the longest, or is from the shortest on.
 *
 * @param points by length, ascending
 */
export function crossoverOf(points: readonly Point[]): number | undefined {
  const gains = points.map(({ denseMs, sparseMs }) => Math.log(denseMs / sparseMs));
  const before = gains.findLastIndex((gain) => !(gain > 0));
  const [left, right] = [points[before], points[before + 1]];
  if (!left || !right) return undefined;
  const share = -gains[before]! / (gains[before + 1]! - gains[before]!);
  return Math.round(left.tokens * (right.tokens / left.tokens) ** share);
}
