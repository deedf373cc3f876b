// What select-top-k and select-slots share: the columns of each row that score highest, as ascending lists. A row is
// looked through 34 times by one fragment, for its threshold, and then in about √columns steps for each entry of its list
// (../shaders/ranked-*.glsl).

import { ceilDivide } from '@flashmla/tensor';
import { NONE, type Step } from '../plan.ts';
import { shader } from '../shader.ts';
import countsSource from '../shaders/ranked-counts.glsl';
import listsSource from '../shaders/ranked-lists.glsl';
import selectedSource from '../shaders/ranked-selected.glsl';
import thresholdSource from '../shaders/ranked-threshold.glsl';

const threshold = shader('ranked-threshold', thresholdSource);
const counts = shader('ranked-counts', selectedSource, countsSource);
const lists = shader('ranked-lists', selectedSource, listsSource);

/** Where heads fill different numbers of their slots: int32 [heads], and the heads that the rows are of. */
export interface HeadSlots {
  readonly headSlots: string;
  readonly heads: number;
  readonly rowsOfHead: number;
}

const sameForAll: HeadSlots = { headSlots: NONE, heads: 0, rowsOfHead: 0 };

/** `output` [rows] pairs that tell which of `scores` [rows, columns] are among the `slots` best of their row. */
export const thresholdStep = (
  scores: string,
  output: string,
  rows: number,
  columns: number,
  slots: number,
  own = sameForAll,
): Step => ({
  shader: threshold,
  output,
  elements: rows,
  arguments: { scores, columns, slots, ...own },
});

/** `output` [rows, slots] int32: the `slots` best of `scores` [rows, columns], ascending, then −1. */
export function listSteps(
  scores: string,
  output: string,
  rows: number,
  columns: number,
  slots: number,
  own?: HeadSlots,
): Step[] {
  const chunk = Math.max(1, Math.ceil(Math.sqrt(columns)));
  const chunks = ceilDivide(columns, chunk);
  // Without columns no pass has made scores, and all slots are empty.
  const common = { scores: columns > 0 ? scores : NONE, least: 'least', columns, chunk, chunks };
  return [
    thresholdStep(common.scores, 'least', rows, columns, slots, own),
    { shader: counts, output: 'counts', elements: rows * chunks, arguments: common },
    {
      shader: lists,
      output,
      elements: rows * slots,
      arguments: { ...common, counts: chunks > 0 ? 'counts' : NONE, slots },
    },
  ];
}
