// A profile as a file for chrome://tracing and ui.perfetto.dev: the JSON object form of the Trace Event Format
// (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), complete events ('X') with times in
// microseconds, and metadata events ('M') that name the rows.
//
// One row has the ops, and within each its kernels; where threads compute, each thread has a row too.

import { type Backend, costOf, type OpProfile, type Profile, type Span } from '@flashmla/tensor';

export interface TraceEvent {
  readonly name: string;
  readonly cat?: string;
  /** 'X': something that took time; 'M': a name. */
  readonly ph: 'X' | 'M';
  /** Start, in µs. */
  readonly ts?: number;
  /** Length, in µs. */
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
  /** What trace viewers show as metadata. */
  readonly otherData: Readonly<Record<string, unknown>>;
}

const pid = 1;
/** The row of ops; that of thread n is n below it. */
const opsRow = 0;

/** The trace of a profile that `backend` took; `JSON.stringify` of it is the file. */
export function chromeTrace(
  { ops, timing, wallMs }: Profile<unknown>,
  { name, device }: Pick<Backend, 'name' | 'device'>,
): ChromeTrace {
  const threads = Math.max(0, ...ops.flatMap(({ kernels }) => kernels.map((kernel) => kernel.threads?.length ?? 0)));
  return {
    traceEvents: [
      named('process_name', opsRow, { name: `flashmla on ${name}: ${device.description}` }),
      ...rowNamed(opsRow, 'ops and their kernels'),
      ...Array.from({ length: threads }, (_, thread) => rowNamed(threadRow(thread), `thread ${thread}`)).flat(),
      ...ops.flatMap(eventsOf),
    ],
    displayTimeUnit: 'ms',
    otherData: { backend: name, device: device.description, timing: timing.description, wallMs },
  };
}

function eventsOf(op: OpProfile): TraceEvent[] {
  const { problem, plan, kernels } = op;
  const { flops, bytes } = costOf(problem);
  const seconds = (op.endMs - op.startMs) / 1000;
  const rates = seconds > 0 && { 'GFLOP/s': flops / seconds / 1e9, 'GB/s': bytes / seconds / 1e9 };
  const { scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds } = plan;
  const args = { ...problem, flops, bytes, ...rates, scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds };
  return [
    taking(problem.op, 'op', opsRow, op, args),
    ...kernels.flatMap((kernel) => [
      taking(kernel.name, 'kernel', opsRow, kernel, {}),
      ...(kernel.threads ?? []).map((span, thread) =>
        taking(kernel.name, 'thread', threadRow(thread), span, { op: problem.op }),
      ),
    ]),
  ];
}

const threadRow = (thread: number) => opsRow + 1 + thread;

function taking(
  name: string,
  cat: string,
  tid: number,
  { startMs, endMs }: Span,
  args: TraceEvent['args'],
): TraceEvent {
  return { name, cat, ph: 'X', ts: 1000 * startMs, dur: 1000 * (endMs - startMs), pid, tid, args };
}

const named = (name: string, tid: number, args: TraceEvent['args']): TraceEvent => ({ name, ph: 'M', pid, tid, args });

const rowNamed = (row: number, name: string): TraceEvent[] => [
  named('thread_name', row, { name }),
  named('thread_sort_index', row, { sort_index: row }),
];
