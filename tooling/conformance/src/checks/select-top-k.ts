// Whether lists are top-k lists (the definition in tensor's ops/select-top-k.ts), when float32 scores may decide near
// ties otherwise than float64 ones.

import { ceilDivide, type NumberArray, type SelectTopKProblem, slotsOf, tileScores } from '@flashmla/tensor';
import type { Inputs } from '../case.ts';

/** Scores this close, in relation to the largest of the tile (or to 1), are a tie. */
const scoreTolerance = 1e-5;

export function checkSelectTopK(problem: SelectTopKProblem, inputs: Inputs, indices: NumberArray): void {
  const { slots, coarseBlocks } = problem;
  const tiles = ceilDivide(problem.queries, problem.tileQueries);
  for (const { row, tile, scores, allowed, forced, coarseScores } of tileScores(problem, inputs)) {
    const fail = (message: string): never => {
      throw new Error(`list of head ${row}, tile ${tile}: ${message}`);
    };
    const start = (row * tiles + tile) * slots;
    const entries = [...indices.subarray(start, start + slots)];
    const length = entries.indexOf(-1);
    const list = length < 0 ? entries : entries.slice(0, length);
    if (entries.slice(list.length).some((entry) => entry !== -1)) fail(`entries after a −1: ${entries}`);
    if (!list.every((block, i) => block >= 0 && block < scores.length && (i === 0 || block > list[i - 1]!))) {
      fail(`not ascending blocks below ${scores.length}: ${entries}`);
    }
    const forbidden = list.find((block) => !allowed[block]);
    if (forbidden !== undefined) fail(`block ${forbidden} has no present key, or lies in the future`);

    const wanted = slotsOf(problem, inputs, row % problem.heads);
    const blocks = Array.from(scores.keys()).filter((block) => allowed[block]);
    const mustHave = blocks.filter((block) => forced[block]).slice(0, wanted);
    const missing = mustHave.find((block) => !list.includes(block));
    if (missing !== undefined) fail(`forced block ${missing} is not listed: ${list}`);

    const free = blocks.filter((block) => !forced[block]);
    const chosen = list.filter((block) => !mustHave.includes(block));
    const room = wanted - mustHave.length;
    const tolerance = scoreTolerance * Math.max(1, ...blocks.map((block) => Math.abs(scores[block]!)));
    const { certain, possible } =
      coarseBlocks === 0
        ? { certain: () => true, possible: () => true }
        : reachOf(coarseScores, problem.coarseSlots, (block) => Math.floor(block / coarseBlocks));
    const least = Math.min(room, free.filter(certain).length);
    const most = Math.min(room, free.filter(possible).length);
    if (chosen.length < least || chosen.length > most) {
      fail(
        `${chosen.length} blocks beside the ${mustHave.length} forced ones, expected ${least === most ? least : `${least} to ${most}`}`,
      );
    }
    const unreachable = chosen.find((block) => !possible(block));
    if (unreachable !== undefined) fail(`block ${unreachable} is not in one of the best groups`);

    const lowest = Math.min(...chosen.map((block) => scores[block]!));
    const better = free.find((block) => !list.includes(block) && certain(block) && scores[block]! > lowest + tolerance);
    if (better !== undefined) fail(`block ${better} scores ${scores[better]}, better than ${lowest} which is listed`);
  }
}

/** Tests whether a block's group is among the best for sure, or may be so when near ties fall its way. */
function reachOf(groupScores: readonly number[], count: number, groupOf: (block: number) => number) {
  const finite = groupScores.filter((score) => score > Number.NEGATIVE_INFINITY).sort((a, b) => b - a);
  const tolerance = scoreTolerance * Math.max(1, ...finite.map(Math.abs));
  const lastIn = finite[count - 1] ?? Number.NEGATIVE_INFINITY;
  const firstOut = finite[count] ?? Number.NEGATIVE_INFINITY;
  const score = (block: number) => groupScores[groupOf(block)]!;
  return {
    certain: (block: number) => score(block) >= lastIn && score(block) > firstOut + tolerance,
    possible: (block: number) => score(block) > Number.NEGATIVE_INFINITY && score(block) >= lastIn - tolerance,
  };
}
