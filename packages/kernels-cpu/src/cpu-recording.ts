// What a profile records on this backend: each op's commands, and when each thread was at them.

import type { KernelProfile, OpProfile, Profile, ProfileRecording, Program, Span } from '@flashmla/tensor';
import { nowMs } from './clock.ts';
import type { Executor } from './executor.ts';
import type { KernelName } from './protocol.ts';

interface RecordedCommand {
  readonly kernel: KernelName;
  /** One a thread, once the command is finished. */
  readonly times: readonly Span[];
}

/** An op from its dispatch on: takes the times of its commands. */
export class RecordedOp {
  readonly program: Program;
  readonly commands: RecordedCommand[] = [];
  /** The signal it runs under, and the first command after it. */
  under: { readonly signal: AbortSignal; readonly end: number } | undefined;

  constructor(program: Program) {
    this.program = program;
  }

  /** The times of its next command, for the executor to fill. */
  next(kernel: KernelName): Span[] {
    const times: Span[] = [];
    this.commands.push({ kernel, times });
    return times;
  }
}

export class CpuRecording implements ProfileRecording {
  readonly #executor: Executor;
  readonly #originMs = nowMs();
  readonly #ops: RecordedOp[] = [];

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Adds an op whose commands are on their way. */
  add(op: RecordedOp): void {
    this.#ops.push(op);
  }

  async finish(): Promise<Pick<Profile<unknown>, 'timing' | 'ops'>> {
    const ran = this.#ops.filter(({ under }) => !under || !this.#executor.skips.before(under.signal, under.end));
    const description =
      "by the clocks of the computing threads, from a kernel's first task until no thread finds another";
    return { timing: { source: 'threads', description }, ops: this.#spansOf(ran) };
  }

  #spansOf(ops: readonly RecordedOp[]): OpProfile[] {
    // An op without commands takes no time, at the end of the one before.
    let lastMs = 0;
    return ops.map(({ program: { problem, plan }, commands }) => {
      const kernels = commands.map(({ kernel, times }): KernelProfile => {
        const threads = times.map(({ startMs, endMs }) => this.#since(startMs, endMs));
        const startMs = Math.min(...threads.map((span) => span.startMs));
        return { name: kernel, startMs, endMs: Math.max(...threads.map((span) => span.endMs)), threads };
      });
      const startMs = kernels[0]?.startMs ?? lastMs;
      lastMs = kernels.at(-1)?.endMs ?? lastMs;
      return { problem, plan, startMs, endMs: lastMs, kernels };
    });
  }

  /** Times that browsers round differently on two threads must not lie before the beginning. */
  #since(startMs: number, endMs: number): Span {
    const start = Math.max(0, startMs - this.#originMs);
    return { startMs: start, endMs: Math.max(start, endMs - this.#originMs) };
  }
}
