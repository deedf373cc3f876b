// Attention as gates need it: to time a selection's shape, and to tell how good a selection is.

import {
  type DeviceTensor,
  execute,
  type Layout,
  type Problem,
  type Selection,
  type SparseAttentionProblem,
  type Tensors,
} from '@flashmla/tensor';
import type { Masks, Sizes, Temporaries } from './gate-call.ts';

/** A selection whose tensors are on the backend. */
export interface DeviceSelection extends Pick<Selection, 'tileQueries' | 'blockKeys' | 'residualGroup'> {
  readonly indices: DeviceTensor;
  readonly keyOrder?: DeviceTensor | undefined;
  readonly queryOrder?: DeviceTensor | undefined;
}

export async function selectionOnDevice(selection: Selection, temporaries: Temporaries): Promise<DeviceSelection> {
  const { indices, keyOrder, queryOrder } = selection;
  return {
    ...selection,
    indices: await temporaries.onDevice(indices),
    keyOrder: keyOrder && (await temporaries.onDevice(keyOrder)),
    queryOrder: queryOrder && (await temporaries.onDevice(queryOrder)),
  };
}

export interface AttendInputs {
  /** Of the dtype of the sizes, as `layout` says; on one backend, which runs the attention. */
  query: DeviceTensor;
  key: DeviceTensor;
  value: DeviceTensor;
  masks?: Masks | undefined;
  layout: Layout;
  scale: number;
  causal: boolean;
  signal?: AbortSignal | undefined;
}

/** `output` as the layout says, `lse` [batch, heads, queries]. */
export interface Attended {
  readonly output: DeviceTensor;
  readonly lse: DeviceTensor;
}

export function attendProblem(
  { batch, heads, queries, keys, headDim, dtype }: Sizes,
  inputs: Pick<AttendInputs, 'layout' | 'scale' | 'causal' | 'masks'>,
  selection: Pick<Selection, 'tileQueries' | 'blockKeys' | 'residualGroup'>,
  lists: { slots: number; keyOrder: boolean; queryOrder: boolean },
): SparseAttentionProblem {
  const { layout, scale, causal, masks } = inputs;
  const { tileQueries, blockKeys, residualGroup } = selection;
  const sizes = { batch, heads, queries, keys, headDim, dtype, layout, scale, causal, mask: masks !== undefined };
  return { op: 'sparse-attention', ...sizes, tileQueries, blockKeys, residualGroup, ...lists };
}

/** Attention over a selection. What it gives belongs to the caller. */
export async function attend(sizes: Sizes, inputs: AttendInputs, selection: DeviceSelection): Promise<Attended> {
  const { indices, keyOrder, queryOrder } = selection;
  const problem = attendProblem(sizes, inputs, selection, {
    slots: indices.shape[3],
    keyOrder: keyOrder !== undefined,
    queryOrder: queryOrder !== undefined,
  });
  const orders = { ...(keyOrder && { keyOrder }), ...(queryOrder && { queryOrder }) };
  return run(problem, { ...tensorsOf(inputs), indices, ...orders }, inputs);
}

/** Attention over all keys. What it gives belongs to the caller. */
export async function attendAll(sizes: Sizes, inputs: AttendInputs): Promise<Attended> {
  const { batch, heads, queries, keys, headDim, dtype } = sizes;
  const { layout, scale, causal, masks } = inputs;
  const dimensions = { batch, heads, queries, keys, headDim, dtype, layout, scale, causal, mask: masks !== undefined };
  return run({ op: 'dense-attention', ...dimensions }, tensorsOf(inputs), inputs);
}

function tensorsOf({ query, key, value, masks }: AttendInputs): Tensors {
  return { query, key, value, ...(masks && { keyMask: masks.keyMask }) };
}

async function run(problem: Problem, tensors: Tensors, { query, signal }: AttendInputs): Promise<Attended> {
  const { output, lse } = await execute(query.backend, problem, tensors, { signal });
  return { output, lse };
}
