// The register tile of native/matmul.hpp, as plans need to know it.

import type { Traits } from '../plan.ts';

/** Rows of a tile. */
export const tileRows = ({ lanes }: Pick<Traits, 'lanes'>): number => (lanes === 8 ? 6 : 12);
/** Columns of a tile, and of a panel of packed weights. */
export const tileColumns = ({ lanes }: Pick<Traits, 'lanes'>): number => 2 * lanes;
