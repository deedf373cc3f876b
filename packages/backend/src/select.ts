// Opening the best backend: candidates are tried in order, and if none will do, all their reasons are raised together.

import { type Backend, type BackendName, FlashMLAError, type OpenOptions } from '@flashmla/tensor';
import type { BackendEntry } from './backends.ts';
import { type BackendReport, probe } from './probe.ts';
import { orderOf, type Preference } from './rank.ts';
import { messageOf } from './unusable.ts';

export interface SelectOptions extends Preference {
  /** Stops the search; a backend that opened meanwhile is disposed. */
  signal?: AbortSignal;
  /** Threads that compute, for backends that have them; default: the cores there are. */
  threads?: number;
}

/** `selectBackend` over any list of entries. */
export async function selectFrom(entries: readonly BackendEntry[], options: SelectOptions = {}): Promise<Backend> {
  const { signal } = options;
  const reports = new Map<BackendName, BackendReport>();
  const failures: unknown[] = [];
  const order = orderOf(
    entries.map(({ name }) => name),
    options,
  );
  for (const name of order) {
    signal?.throwIfAborted();
    const { report, provider } = await probe(entries.find((entry) => entry.name === name)!);
    reports.set(name, report);
    if (!report.available || !provider) continue;
    signal?.throwIfAborted();
    try {
      return await unlessAborted(await provider.open(openOptions(options)), signal);
    } catch (error) {
      signal?.throwIfAborted();
      // What is wrong with an argument is wrong on every backend.
      if (error instanceof FlashMLAError && error.code === 'invalid-argument') throw error;
      failures.push(error);
      reports.set(name, { ...report, available: false, reason: `could not be opened: ${messageOf(error)}` });
    }
  }
  for (const entry of entries) {
    if (!reports.has(entry.name)) reports.set(entry.name, (await probe(entry)).report);
  }
  throw unavailable([...reports.values()], options.require, failures);
}

async function unlessAborted(backend: Backend, signal: AbortSignal | undefined): Promise<Backend> {
  if (signal?.aborted) await backend.dispose();
  signal?.throwIfAborted();
  return backend;
}

function openOptions({ threads, signal }: SelectOptions): OpenOptions {
  return { ...(threads !== undefined && { threads }), ...(signal && { signal }) };
}

function unavailable(
  reports: readonly BackendReport[],
  required: BackendName | undefined,
  failures: readonly unknown[],
): FlashMLAError {
  const reasons = reports
    .map(({ name, available, reason }) => `${name}: ${available ? 'available, ' : ''}${reason}`)
    .join('; ');
  const message =
    required === undefined
      ? `[backend] no backend can be opened here. Install or mend one of them. ${reasons}.`
      : `[backend] '${required}' was required and can't be opened here. Mend what is named, or ask for another or for none. ${reasons}.`;
  const cause = failures.length > 0 ? { cause: new AggregateError(failures, 'backends that failed to open') } : {};
  return new FlashMLAError('backend-unavailable', message, cause);
}
