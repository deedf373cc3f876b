// What the dense and the sparse attention kernels share: argument words, packed operands; see ../../assembly/attention.ts.

import { type AttentionDimensions, ceilDivide, headsStrides, type Refusal } from '@flashmla/tensor';
import { type Argument, float, roundUp, type Step } from '../plan.ts';
import type { KernelName } from '../protocol.ts';

/** Queries of a register tile. */
export const LANES = 16;
const MAX_HEAD_DIM = 256;
/** Key positions a task of packKeys covers. */
export const PACK_CHUNK = 64;

export function refusesHeadDim({ headDim }: Pick<AttentionDimensions, 'headDim'>): Refusal | undefined {
  if (headDim % 4 === 0 && headDim <= MAX_HEAD_DIM) return undefined;
  return {
    reason: `headDim ${headDim} is not a multiple of 4 up to ${MAX_HEAD_DIM}`,
    advice:
      headDim < MAX_HEAD_DIM
        ? `pad query, key and value with zeros to headDim ${roundUp(headDim, 4)} and keep the scale of ${headDim}`
        : 'split the head',
  };
}

/** How the selection is cut; dense attention is one list of everything. */
export interface Cut {
  tileQueries: number;
  blockKeys: number;
  slots: number;
  residualGroup: number;
}

/** Rows of the packed operands. */
export interface PackedRows {
  /** A multiple of the unit. */
  keyRows: number;
  /** Key rows whose values lie together. */
  unit: number;
  groups: number;
  groupRows: number;
}

/**
 * Packed bytes of a pass. Its heads are packed, then attended to, before the next pass packs over them: the packed
 * operands stay in cache, and take this much memory (or one head's) whatever the batch. Against packing all heads at once
 * (EPYC, 1 MB of L2 a core, 12 heads × 4096 keys × 64): sparse blocks 6 % faster, dense the same; 4 MB instead of 25.
 * 1, 2 and 12 MB were within 2 %.
 */
const PASS_BYTES = 4 * 2 ** 20;

const packedHeadBytes = (p: AttentionDimensions, { keyRows, groupRows }: PackedRows): number =>
  4 * (keyRows + groupRows) * (p.headDim + paddedHeadDim(p.headDim));

/** Heads of a pass, the last one's may be fewer. */
function passHeads({ batch, heads }: Pick<AttentionDimensions, 'batch' | 'heads'>, headBytes: number): number {
  const all = Math.max(1, batch * heads);
  return headBytes === 0 ? all : Math.min(all, Math.max(1, Math.floor(PASS_BYTES / headBytes)));
}

/** The heads that are done together, counted through all batch entries, where each takes so much memory. */
export function passes(
  p: Pick<AttentionDimensions, 'batch' | 'heads'>,
  headBytes: number,
): { first: number; heads: number }[] {
  const all = p.batch * p.heads;
  const most = passHeads(p, headBytes);
  return Array.from({ length: ceilDivide(all, most) }, (_, i) => ({
    first: i * most,
    heads: Math.min(most, all - i * most),
  }));
}

/** The steps of all passes: packing, then `kernel` with so many tasks a head. */
export function attentionSteps(
  p: AttentionDimensions,
  cut: Cut,
  rows: PackedRows,
  { kernel, headTasks }: { kernel: KernelName; headTasks: number },
): Step[] {
  const steps: Step[] = [];
  for (const { first, heads } of passes(p, packedHeadBytes(p, rows))) {
    const words = argumentWords(p, cut, rows, first);
    if (rows.keyRows > 0) {
      steps.push({ kernel: 'packKeys', tasks: heads * ceilDivide(rows.keyRows, PACK_CHUNK), arguments: words });
    }
    if (rows.groupRows > 0) {
      steps.push({ kernel: 'packGroups', tasks: (heads * rows.groupRows) / 4, arguments: words });
    }
    steps.push({ kernel, tasks: heads * headTasks, arguments: words });
  }
  return steps;
}

export function argumentWords(p: AttentionDimensions, cut: Cut, rows: PackedRows, firstHead: number): Argument[] {
  const query = headsStrides(p.layout, p.heads, p.queries, p.headDim);
  const key = headsStrides(p.layout, p.heads, p.keys, p.headDim);
  return [
    'query',
    'key',
    'value',
    'keyMask',
    'output',
    'lse',
    'indices',
    'keyOrder',
    'queryOrder',
    'packedKeys',
    'packedValues',
    'groupCounts',
    p.heads,
    p.queries,
    p.keys,
    p.headDim,
    float(p.scale),
    p.causal ? 1 : 0,
    ...[query.batch, query.head, query.token, key.batch, key.head, key.token].map((stride) => 4 * stride),
    cut.tileQueries,
    cut.blockKeys,
    cut.slots,
    cut.residualGroup,
    rows.groups,
    rows.groupRows,
    rows.keyRows,
    rows.unit,
    firstHead,
  ];
}

export const paddedHeadDim = (headDim: number): number => roundUp(headDim, 8);

export function packedBuffers(p: AttentionDimensions, rows: PackedRows): Record<string, number> {
  const heads = passHeads(p, packedHeadBytes(p, rows));
  const packedRows = heads * (rows.keyRows + rows.groupRows);
  if (packedRows === 0) return {};
  return {
    packedKeys: 4 * packedRows * p.headDim,
    packedValues: 4 * packedRows * paddedHeadDim(p.headDim),
    ...(rows.groupRows > 0 && { groupCounts: 8 * heads * rows.groupRows }),
  };
}

/** Queries rounded up to what the score tiles compute: halves of 8, then 16. */
export function issuedQueries(queries: number, tileQueries: number): number {
  const lanes = (count: number) => Math.floor(count / LANES) * LANES + roundUp(count % LANES, 8);
  return Math.floor(queries / tileQueries) * lanes(tileQueries) + lanes(queries % tileQueries);
}
