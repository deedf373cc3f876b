// Selection: the sparse layout that every gate writes and every kernel reads. Which keys each tile of queries attends to.

import { FlashMLAError } from './errors.ts';
import { describeValue } from './expect.ts';
import { ceilDivide } from './ops/op.ts';
import { formatShape } from './shape.ts';
import { type HostTensor, type Tensor, tensor } from './tensor.ts';

export interface Selection extends Disposable {
  /** Queries that share a list; 1 = a list for each query. */
  readonly tileQueries: number;
  /** Keys an entry stands for: entry b covers positions [b·blockKeys, (b+1)·blockKeys) of the key order. */
  readonly blockKeys: number;
  /** int32 [batch, heads, ceil(queries / tileQueries), slots]: key blocks, ascending, unique; −1 = empty. */
  readonly indices: Tensor;
  /** int32 [batch, heads, keys]: position → key. Absent = natural order. */
  readonly keyOrder?: Tensor | undefined;
  /** int32 [batch, heads, queries]: position → query; tiles are cut from it. Absent = natural order. */
  readonly queryOrder?: Tensor | undefined;
  /** Keys of a residual group, a multiple of blockKeys; 0 = nothing stands in for what was not selected. */
  readonly residualGroup: number;
  /** Slots that lists may fill, mean over the heads; absent = all slots. */
  readonly meanSlots?: number | undefined;
  /** Disposes the tensors. */
  dispose(): void;
}

export interface SelectionInit {
  tileQueries: number;
  blockKeys: number;
  indices: Int32Array;
  /** Of `indices`: [batch, heads, tiles, slots]. */
  shape: readonly [batch: number, heads: number, tiles: number, slots: number];
  keyOrder?: Int32Array;
  queryOrder?: Int32Array;
  residualGroup?: number;
}

/** The tensors of a selection, which it then owns. Gates that work on a device build theirs with this. */
export function selectionOf(parts: Omit<Selection, 'dispose' | typeof Symbol.dispose>): Selection {
  const dispose = () => {
    for (const part of [parts.indices, parts.keyOrder, parts.queryOrder]) part?.dispose();
  };
  return { ...parts, dispose, [Symbol.dispose]: dispose };
}

/**
 * A selection from plain arrays, checked.
 *
 * Entries that name no block (negative, past the end) are legal and ignored by every kernel; orders must be permutations.
 */
export function selection(init: SelectionInit): Selection {
  const { tileQueries, blockKeys, residualGroup = 0 } = init;
  for (const name of ['indices', 'keyOrder', 'queryOrder'] as const) {
    const values: unknown = init[name];
    if (values instanceof Int32Array || (values === undefined && name !== 'indices')) continue;
    fail(`${name} is ${describeValue(values)}; expected an Int32Array.`);
  }
  for (const [name, value] of Object.entries({ tileQueries, blockKeys })) {
    if (!Number.isSafeInteger(value) || value < 1) fail(`${name} is ${value}; expected a whole number ≥ 1.`);
  }
  if (!Number.isSafeInteger(residualGroup) || residualGroup < 0 || residualGroup % blockKeys !== 0) {
    fail(`residualGroup is ${residualGroup}; expected 0 or a multiple of blockKeys (${blockKeys}).`);
  }
  if (!Array.isArray(init.shape) || init.shape.length !== 4) {
    const given = Array.isArray(init.shape) ? formatShape(init.shape) : describeValue(init.shape);
    fail(`shape is ${given}; expected [batch, heads, tiles, slots].`);
  }
  const [batch, heads, tiles] = init.shape;
  const order = (name: 'keyOrder' | 'queryOrder'): HostTensor | undefined => {
    const values = init[name];
    if (!values) return undefined;
    const length = checkPermutations(name, values, batch * heads);
    return tensor(values, [batch, heads, length]);
  };
  const keyOrder = order('keyOrder');
  const queryOrder = order('queryOrder');
  if (queryOrder && ceilDivide(queryOrder.shape[2]!, tileQueries) !== tiles) {
    fail(
      `queryOrder holds ${queryOrder.shape[2]} queries, which make ${ceilDivide(queryOrder.shape[2]!, tileQueries)} tiles ` +
        `of ${tileQueries}, but shape says ${tiles} tiles; make them agree.`,
    );
  }
  const indices = tensor(init.indices, init.shape);
  return selectionOf({ tileQueries, blockKeys, indices, keyOrder, queryOrder, residualGroup });
}

/** Raises unless `values` is `count` permutations, one after the other; returns the length of one. */
function checkPermutations(name: string, values: Int32Array, count: number): number {
  if (count === 0 || values.length % count !== 0) {
    fail(`${name} has ${values.length} entries, which is not a multiple of batch × heads = ${count}.`);
  }
  const length = values.length / count;
  const seen = new Int32Array(length).fill(-1);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / length);
    const value = values[i]!;
    if (value < 0 || value >= length || seen[value] === row) {
      fail(`${name} is not a permutation of 0…${length - 1}: entry ${i % length} of head ${row} is ${value}.`);
    }
    seen[value] = row;
  }
  return length;
}

/**
 * Raises unless `selection` fits an attention of these sizes.
 *
 * Shapes only: what a device tensor holds is trusted, since kernels ignore entries that name no block.
 */
export function checkSelection(
  selection: Selection,
  sizes: { batch: number; heads: number; queries: number; keys: number },
): void {
  const { batch, heads, queries, keys } = sizes;
  if (!selection?.indices || Array.isArray(selection) || selection.indices instanceof Int32Array) {
    const given = selection ? `${describeValue(selection)} over plain arrays` : describeValue(selection);
    fail(`${given} was given; expected a Selection: what a gate's select() or selection({ … }) gives.`);
  }
  const tiles = ceilDivide(queries, selection.tileQueries);
  const wanted: [string, Tensor | undefined, (number | string)[]][] = [
    ['indices', selection.indices, [batch, heads, tiles, 'slots']],
    ['keyOrder', selection.keyOrder, [batch, heads, keys]],
    ['queryOrder', selection.queryOrder, [batch, heads, queries]],
  ];
  for (const [name, given, expected] of wanted) {
    if (!given) continue;
    const fits =
      given.shape.length === expected.length &&
      expected.every((size, axis) => typeof size === 'string' || size === given.shape[axis]);
    if (!fits || given.dtype !== 'int32') {
      fail(
        `${name} is ${given.dtype} ${formatShape(given.shape)}; expected int32 [${expected.join(', ')}] for ${queries} queries ` +
          `in tiles of ${selection.tileQueries} and ${keys} keys. Build the selection for these sizes.`,
      );
    }
  }
}

function fail(message: string): never {
  throw new FlashMLAError('invalid-argument', `[tensor] selection: ${message}`);
}
