// What errors are measured of: gates, and what is made of their selections.

import type { Gate, GateInputs } from '@flashmla/gating';
import { selectionOf } from '@flashmla/tensor';

export type { GateInputs };
export type Selector = Pick<Gate, 'select' | typeof Symbol.dispose>;

/** The same keys, with residual groups of `group` keys. Takes the selector over. */
export function withGroups(selector: Selector, group: number): Selector {
  return {
    select: async (inputs) => selectionOf({ ...(await selector.select(inputs)), residualGroup: group }),
    [Symbol.dispose]: () => selector[Symbol.dispose](),
  };
}
