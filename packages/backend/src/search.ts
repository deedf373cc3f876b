// One search for a backend: what was looked at so far, what is wrong with it, and the error that says all of it.

import {
  type Backend,
  type BackendName,
  FlashMLAError,
  type OpenOptions,
  type Precision,
  type Problem,
  whoComputesIn,
} from '@flashmla/tensor';
import type { BackendEntry } from './backends.ts';
import { computesIn } from './check-dtype.ts';
import { isRefusedArgument } from './contest.ts';
import { type BackendReport, type Candidate, probe } from './probe.ts';
import { messageOf } from './unusable.ts';

/** A candidate that says it can be opened. */
export type Usable = Required<Candidate>;

export class Search {
  readonly openOptions: OpenOptions;
  readonly #dtype: Precision;
  readonly #problems: readonly Problem[];
  readonly #reports = new Map<BackendName, BackendReport>();
  readonly #errors: unknown[] = [];

  /** @param dtype what does not compute in it is passed over, and so is what refuses one of `problems` */
  constructor(openOptions: OpenOptions, dtype: Precision, problems: readonly Problem[]) {
    this.openOptions = openOptions;
    this.#dtype = dtype;
    this.#problems = problems;
  }

  get reports(): readonly BackendReport[] {
    return [...this.#reports.values()];
  }

  /** Looks at those of `entries` that were not looked at yet; returns those that can be opened, in the same order. */
  async probe(entries: readonly BackendEntry[]): Promise<Usable[]> {
    this.openOptions.signal?.throwIfAborted();
    const candidates = await Promise.all(entries.filter(({ name }) => !this.#reports.has(name)).map(probe));
    this.openOptions.signal?.throwIfAborted();
    for (const { report } of candidates) {
      this.#reports.set(report.name, report);
      if (report.available && !computesIn(report.features, this.#dtype)) {
        this.passOver(report.name, `does not compute in ${this.#dtype}`);
      }
    }
    return candidates.filter(
      (candidate): candidate is Usable => this.#reports.get(candidate.report.name)!.available && !!candidate.provider,
    );
  }

  /** undefined when it does not open: it is passed over. */
  async open({ report, provider }: Usable): Promise<Backend | undefined> {
    const { signal } = this.openOptions;
    try {
      const backend = await provider.open(this.openOptions);
      if (signal?.aborted) await backend.dispose();
      signal?.throwIfAborted();
      return await this.unlessRefused(backend);
    } catch (error) {
      signal?.throwIfAborted();
      if (isRefusedArgument(error)) throw error;
      this.passOver(report.name, `could not be opened: ${messageOf(error)}`, error);
      return undefined;
    }
  }

  /** An open backend; disposed, passed over and undefined where it refuses one of the problems. */
  async unlessRefused(backend: Backend): Promise<Backend | undefined> {
    for (const problem of this.#problems) {
      const support = backend.supports(problem);
      if (support.supported) continue;
      await backend.dispose();
      this.passOver(backend.name, `${support.reason}; ${support.advice}`);
      return undefined;
    }
    return backend;
  }

  /** @param error what was raised, where it is known: of what was kept from an earlier process only the reason is */
  passOver(name: BackendName, reason: string, error?: unknown): void {
    this.#reports.set(name, { ...this.#reports.get(name)!, available: false, reason });
    if (error !== undefined) this.#errors.push(error);
  }

  /** Why nothing will do, with the reason of every backend that was looked at. */
  failure(required: BackendName | undefined): FlashMLAError {
    const reasons = this.reports
      .map(({ name, available, reason }) => `${name}: ${available ? 'available, ' : ''}${reason}`)
      .join('; ');
    const none =
      this.#dtype === 'float32'
        ? 'no backend can be opened here. Install or mend one of them.'
        : `dtype is '${this.#dtype}', and no backend here computes in it; others do: ${whoComputesIn[this.#dtype]}. Install or mend one that does, or leave dtype out for float32.`;
    const message =
      required === undefined
        ? `[backend] ${none} ${reasons}.`
        : `[backend] '${required}' was required and can't be opened here. Mend what is named, or ask for another or for none. ${reasons}.`;
    const errors = this.#errors;
    const cause = errors.length > 0 ? { cause: new AggregateError(errors, 'backends that failed to open') } : {};
    return new FlashMLAError('backend-unavailable', message, cause);
  }
}
