// What the dense and the sparse attention kernels share: argument words, packed operands; see ../../assembly/attention.ts.

import { type AttentionDimensions, ceilDivide, headsStrides } from '@flashmla/tensor';
import { type Argument, float, type Refusal, roundUp, type Step } from '../plan.ts';

/** Queries of a register tile. */
export const LANES = 16;
const MAX_HEAD_DIM = 256;
/** Key positions a task of packKeys covers. */
const PACK_CHUNK = 64;

export function refusesHeadDim({ headDim }: AttentionDimensions): Refusal | undefined {
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

export function argumentWords(p: AttentionDimensions, cut: Cut, rows: PackedRows): Argument[] {
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
  ];
}

export const paddedHeadDim = (headDim: number): number => roundUp(headDim, 8);

export function packedBuffers(p: AttentionDimensions, { keyRows, groupRows }: PackedRows): Record<string, number> {
  const rows = p.batch * p.heads * (keyRows + groupRows);
  if (rows === 0) return {};
  return {
    packedKeys: 4 * rows * p.headDim,
    packedValues: 4 * rows * paddedHeadDim(p.headDim),
    ...(groupRows > 0 && { groupCounts: 8 * p.batch * p.heads * groupRows }),
  };
}

export function packSteps(p: AttentionDimensions, rows: PackedRows, words: readonly Argument[]): Step[] {
  const steps: Step[] = [];
  if (rows.keyRows > 0) {
    steps.push({
      kernel: 'packKeys',
      tasks: p.batch * p.heads * ceilDivide(rows.keyRows, PACK_CHUNK),
      arguments: words,
    });
  }
  if (rows.groupRows > 0) {
    steps.push({ kernel: 'packGroups', tasks: (p.batch * p.heads * rows.groupRows) / 4, arguments: words });
  }
  return steps;
}

/** Queries rounded up to what the score tiles compute: halves of 8, then 16. */
export function issuedQueries(queries: number, tileQueries: number): number {
  const lanes = (count: number) => Math.floor(count / LANES) * LANES + roundUp(count % LANES, 8);
  return Math.floor(queries / tileQueries) * lanes(tileQueries) + lanes(queries % tileQueries);
}
