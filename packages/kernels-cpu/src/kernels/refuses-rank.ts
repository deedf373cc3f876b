// The gate kernels read features four at a time.

import type { Refusal } from '@flashmla/tensor';
import { roundUp } from '../plan.ts';

export function refusesRank({ rank }: { rank: number }): Refusal | undefined {
  if (rank % 4 === 0) return undefined;
  return {
    reason: `rank ${rank} is not a multiple of 4`,
    advice: `pad the gate's maps with zeros to rank ${roundUp(rank, 4)}`,
  };
}
