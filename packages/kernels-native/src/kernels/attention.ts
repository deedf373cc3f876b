// What the dense and the sparse attention kernels share: argument words, packed operands; see ../../native/attention.hpp.

import {
  type AttentionDimensions,
  ceilDivide,
  floatDTypeOf,
  headsStrides,
  type Problem,
  type Refusal,
} from '@flashmla/tensor';
import { type Argument, roundUp, type Step, type Traits } from '../plan.ts';

/** Queries of a tile, and keys of a packed panel. */
export const TILE = 16;
/** Key positions a task of packKeys covers. */
const PACK_CHUNK = 64;
const MAX_TILED_DIM = 256;
/** Tiles keep rows of queries and of sums for themselves; there is no reason for wider heads than any model has. */
const MAX_HEAD_DIM = 1024;

export function refusesHeadDim({ headDim }: AttentionDimensions): Refusal | undefined {
  if (headDim <= MAX_HEAD_DIM) return undefined;
  return { reason: `headDim ${headDim} is larger than ${MAX_HEAD_DIM}`, advice: 'split the head' };
}

/** How the selection is cut; dense attention has none. */
export interface Cut {
  tileQueries: number;
  blockKeys: number;
  slots: number;
  residualGroup: number;
}

/** Rows of the packed operands, multiples of 16. */
export interface PackedRows {
  keyRows: number;
  groups: number;
  groupRows: number;
  /** Whether values are packed beside the keys. */
  values: boolean;
  products: Products;
}

/**
 * How attention multiplies: in float32; bfloat16 in pairs, as the architecture takes them; or by AMX
 * (native/amx-attention.hpp). The numbers are those of `Products` in native/attention.hpp.
 */
export const products = { wide: 0, paired: 1, tiled: 2 } as const;
export type Products = keyof typeof products;

/** The fastest for heads as they are. Pairs are for AMD: on Intel's CPUs, which have AMX, they are slower than float32. */
export function productsOf(p: AttentionDimensions, { tiles, bfloat16Products }: Traits): Products {
  if (p.dtype !== 'bfloat16') return 'wide';
  if (tiles) return p.headDim % 32 === 0 && p.headDim <= MAX_TILED_DIM ? 'tiled' : 'wide';
  return bfloat16Products && p.headDim % TILE === 0 ? 'paired' : 'wide';
}

/**
 * Packed bytes of a pass. Its heads are packed, then attended to, before the next pass packs over them: the packed
 * operands stay in cache, and take this much memory (or one head's) whatever the batch.
 */
const PASS_BYTES = 4 * 2 ** 20;

export const paddedDim = (headDim: number): number => roundUp(headDim, TILE);

/** Bytes of each packed operand of a head. */
const packedHead = ({ headDim }: AttentionDimensions, { keyRows, groupRows, values, products }: PackedRows) => ({
  packedKeys: (products === 'wide' ? 4 : 2) * keyRows * headDim,
  packedValues: values ? (products === 'wide' ? 4 : 2) * keyRows * paddedDim(headDim) : 0,
  groupKeys: 4 * groupRows * headDim,
  groupValues: 4 * groupRows * paddedDim(headDim),
  groupCounts: 8 * groupRows,
});

const packedHeadBytes = (p: AttentionDimensions, rows: PackedRows): number =>
  Object.values(packedHead(p, rows)).reduce((sum, byteLength) => sum + byteLength, 0);

type Heads = Pick<AttentionDimensions, 'batch' | 'heads'>;

/** Heads of a pass when each takes so many bytes; the last pass may have fewer. */
export function passHeads({ batch, heads }: Heads, headBytes: number, passBytes = PASS_BYTES): number {
  const all = Math.max(1, batch * heads);
  return headBytes === 0 ? all : Math.min(all, Math.max(1, Math.floor(passBytes / headBytes)));
}

/** The passes: which heads each begins with, and how many it has. */
export function passes(p: Heads, headBytes: number, passBytes = PASS_BYTES) {
  const all = p.batch * p.heads;
  const most = passHeads(p, headBytes, passBytes);
  return Array.from({ length: ceilDivide(all, most) }, (_, pass) => ({
    first: pass * most,
    heads: Math.min(most, all - pass * most),
  }));
}

/** The steps of all passes: packing, then `kernel` with so many tasks a head. */
export function attentionSteps(
  p: AttentionDimensions,
  cut: Cut,
  rows: PackedRows,
  { kernel, headTasks, suffix }: { kernel: string; headTasks: number; suffix: string },
): Step[] {
  const steps: Step[] = [];
  const step = (name: string, tasks: number, words: readonly Argument[]) => {
    if (tasks > 0) steps.push({ kernel: `${name}_${suffix}`, tasks, arguments: words });
  };
  for (const { first, heads } of passes(p, packedHeadBytes(p, rows))) {
    const words = argumentWords(p, cut, rows, first);
    step('packKeys', heads * ceilDivide(rows.keyRows, PACK_CHUNK), words);
    step('packGroups', heads * rows.groupRows, words);
    step(kernel, heads * headTasks, words);
  }
  return steps;
}

/** AttentionArguments of the kernels. */
export function argumentWords(p: AttentionDimensions, cut: Cut, rows: PackedRows, firstHead: number): Argument[] {
  const query = headsStrides(p.layout, p.heads, p.queries, p.headDim);
  const key = headsStrides(p.layout, p.heads, p.keys, p.headDim);
  return [
    ...['query', 'key', 'value', 'keyMask', 'output', 'lse', 'indices', 'keyOrder', 'queryOrder'],
    ...['packedKeys', 'packedValues', 'groupKeys', 'groupValues', 'groupCounts'],
    ...[p.heads, p.queries, p.keys, p.headDim, p.scale, Number(p.causal)],
    ...[query.batch, query.head, query.token, key.batch, key.head, key.token],
    ...[cut.tileQueries, cut.blockKeys, cut.slots, cut.residualGroup, rows.groups, rows.groupRows, rows.keyRows],
    ...[products[rows.products], firstHead],
  ];
}

export function packedBuffers(p: AttentionDimensions, rows: PackedRows): Record<string, number> {
  const heads = passHeads(p, packedHeadBytes(p, rows));
  const buffers = Object.entries(packedHead(p, rows)).map(([name, byteLength]) => [name, heads * byteLength] as const);
  return Object.fromEntries(buffers.filter(([, byteLength]) => byteLength > 0));
}

/** Scratch of a tile of queries: QueryTile of the kernels. */
export const tilePieces = ({ headDim }: AttentionDimensions): number[] => [
  ...[4 * TILE * headDim, 4 * TILE * paddedDim(headDim)],
  ...[4 * TILE, 4 * TILE],
];

/** Scratch for so many rows of headDim: PaddedRows of the kernels. */
export function rowPieces(p: AttentionDimensions, columns: number): number[] {
  const elementBytes = floatDTypeOf(p as Problem & AttentionDimensions) === 'float32' ? 4 : 2;
  const rowBytes = elementBytes * paddedDim(p.headDim);
  return [8 * columns, rowBytes, ...(paddedDim(p.headDim) === p.headDim ? [] : [columns * rowBytes])];
}
