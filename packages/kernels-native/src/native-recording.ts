// What a profile records on this backend: each op's commands, and when each thread was at them.

import { type KernelProfile, opProfiles, type Profile, type ProfileRecording, type Program } from '@flashmla/tensor';
import type { Executor } from './executor.ts';

/** An op from its dispatch on: takes the times of its commands. */
export class RecordedOp {
  readonly program: Program;
  readonly commands: { readonly kernel: string; readonly times: Float64Array }[] = [];
  /** The signal it runs under, and its last command. */
  under: { readonly signal: AbortSignal; readonly last: number } | undefined;

  constructor(program: Program) {
    this.program = program;
  }

  /** Where the engine puts the times of the op's next command. */
  next(kernel: string, threads: number): Float64Array {
    const times = new Float64Array(2 * threads);
    this.commands.push({ kernel, times });
    return times;
  }
}

export class NativeRecording implements ProfileRecording {
  readonly #executor: Executor;
  readonly #originMs: number;
  readonly #ops: RecordedOp[] = [];

  /** @param originMs now, by the clock of the engine */
  constructor(executor: Executor, originMs: number) {
    this.#executor = executor;
    this.#originMs = originMs;
  }

  /** Adds an op whose commands are on their way. */
  add(op: RecordedOp): void {
    this.#ops.push(op);
  }

  async finish(): Promise<Pick<Profile<unknown>, 'timing' | 'ops'>> {
    const ran = this.#ops.filter(({ under }) => !under || !this.#executor.skipped(under));
    const description =
      "by the clocks of the computing threads, from a kernel's first task until no thread finds another";
    const ops = ran.map(({ program, commands }) => ({
      program,
      kernels: commands.map(({ kernel, times }) => this.#profileOf(kernel, times)),
    }));
    return { timing: { source: 'threads', description }, ops: opProfiles(ops) };
  }

  #profileOf(name: string, times: Float64Array): KernelProfile {
    const threads = Array.from({ length: times.length / 2 }, (_, thread) => ({
      startMs: times[2 * thread]! - this.#originMs,
      endMs: times[2 * thread + 1]! - this.#originMs,
    }));
    const startMs = Math.min(...threads.map((span) => span.startMs));
    return { name, startMs, endMs: Math.max(...threads.map((span) => span.endMs)), threads };
  }
}
