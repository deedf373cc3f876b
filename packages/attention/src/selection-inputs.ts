// A Selection as the op `sparse-attention` takes it: part of the problem, and input tensors by name.

import type { AttentionDimensions, ProblemOf, Selection, Tensor } from '@flashmla/tensor';

export function sparseProblem(dimensions: AttentionDimensions, selection: Selection): ProblemOf<'sparse-attention'> {
  return {
    op: 'sparse-attention',
    ...dimensions,
    tileQueries: selection.tileQueries,
    blockKeys: selection.blockKeys,
    slots: selection.indices.shape[3]!,
    keyOrder: selection.keyOrder !== undefined,
    queryOrder: selection.queryOrder !== undefined,
    residualGroup: selection.residualGroup,
  };
}

export function selectionInputs({ indices, keyOrder, queryOrder }: Selection): Readonly<Record<string, Tensor>> {
  return { indices, ...(keyOrder && { keyOrder }), ...(queryOrder && { queryOrder }) };
}
