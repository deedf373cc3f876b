// What a profile says of each kind of op: where the time went, and how near to what the device can do it was.
//
// FLOPs and bytes are those of the op's declaration (`costOf`): what the op means, whatever a kernel makes of it. A kernel
// that reads its inputs twice reaches fewer bytes per second, and padding that it computes shows in the compute density.

import {
  costOf,
  formatShape,
  inputSpecs,
  type KernelProfile,
  type OpName,
  type OpProfile,
  outputSpecs,
  type Problem,
  type Profile,
  problemKey,
  type Span,
} from '@flashmla/tensor';
import { type Roofline, rooflineMs } from './roofline.ts';

/** All calls of one problem. */
export interface OpSummary {
  readonly op: OpName;
  /** Of the first input and the first output: '[512, 256] → [512, 1024]'. */
  readonly shape: string;
  readonly problem: Problem;
  readonly calls: number;
  readonly totalMs: number;
  /** Of the time of all ops. */
  readonly share: number;
  /** Of all calls; a multiply-add counts 2. */
  readonly flops: number;
  /** Of all calls: inputs and outputs, each touched once. */
  readonly bytes: number;
  /** 0 where nothing took any time that the clock told. */
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Arithmetic intensity: FLOPs per byte. */
  readonly intensity: number;
  /** With a roofline: the least time that it allows ÷ the time it took. Above 1 where data lay in a cache. */
  readonly rooflineShare?: number;
  /** Compute density: useful ÷ issued multiply-adds; absent where there are none. */
  readonly density?: number;
  /** Where threads compute: their time at kernels ÷ (threads × the kernels' time). They waited for the rest. */
  readonly balance?: number;
}

export interface ProfileSummary {
  readonly wallMs: number;
  /** Of all ops together. What is missing to wallMs, no op ran: the host prepared, uploaded, read back. */
  readonly opsMs: number;
  /** The longest first. */
  readonly ops: readonly OpSummary[];
}

/** The ops of a profile by problem; with a roofline (`measureRoofline`), how near each comes to it. */
export function summarizeProfile({ ops, wallMs }: Profile<unknown>, roofline?: Roofline): ProfileSummary {
  const groups = new Map<string, OpProfile[]>();
  for (const op of ops) {
    const key = problemKey(op.problem);
    groups.set(key, [...(groups.get(key) ?? []), op]);
  }
  const opsMs = sum(ops, lengthOf);
  const summaries = [...groups.values()].map((calls) => summarize(calls, opsMs, roofline));
  return { wallMs, opsMs, ops: summaries.sort((a, b) => b.totalMs - a.totalMs) };
}

function summarize(calls: readonly OpProfile[], opsMs: number, roofline: Roofline | undefined): OpSummary {
  const { problem } = calls[0]!;
  const cost = costOf(problem);
  const flops = calls.length * cost.flops;
  const bytes = calls.length * cost.bytes;
  const totalMs = sum(calls, lengthOf);
  const perSecond = (count: number) => (totalMs > 0 ? (1000 * count) / totalMs : 0);
  const useful = sum(calls, ({ plan }) => plan.usefulMultiplyAdds);
  const issued = sum(calls, ({ plan }) => plan.issuedMultiplyAdds);
  const balance = balanceOf(calls.flatMap(({ kernels }) => kernels));
  return {
    op: problem.op,
    shape: [inputSpecs(problem), outputSpecs(problem)]
      .map((specs) => formatShape(Object.values(specs)[0]!.shape))
      .join(' → '),
    problem,
    calls: calls.length,
    totalMs,
    share: opsMs > 0 ? totalMs / opsMs : 0,
    flops,
    bytes,
    flopsPerSecond: perSecond(flops),
    bytesPerSecond: perSecond(bytes),
    intensity: bytes > 0 ? flops / bytes : 0,
    ...(roofline && { rooflineShare: totalMs > 0 ? rooflineMs({ flops, bytes }, roofline) / totalMs : 0 }),
    ...(issued > 0 && { density: useful / issued }),
    ...(balance !== undefined && { balance }),
  };
}

function balanceOf(kernels: readonly KernelProfile[]): number | undefined {
  const available = sum(kernels, (kernel) => (kernel.threads?.length ?? 0) * lengthOf(kernel));
  return available > 0 ? sum(kernels, ({ threads = [] }) => sum(threads, lengthOf)) / available : undefined;
}

const lengthOf = ({ startMs, endMs }: Span): number => endMs - startMs;

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);
