// What there is: every backend of the list, whether it could be opened here, and if not, why.

import type { BackendName, BackendProbe, BackendProvider } from '@flashmla/tensor';
import type { BackendEntry } from './backends.ts';
import { messageOf } from './unusable.ts';

/** What is known of one backend without opening it. */
export interface BackendReport {
  readonly name: BackendName;
  /** Whether its package is installed. */
  readonly installed: boolean;
  /** Whether it can be opened here. */
  readonly available: boolean;
  /** Why it is not available, or which device it would run on. */
  readonly reason: string;
  /** One line: device, threads, instruction set. */
  readonly device?: string;
  readonly features?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
}

/** A report, and what opens the backend when there is something to open. */
export interface Candidate {
  readonly report: BackendReport;
  readonly provider?: BackendProvider;
}

/** Loads and probes one entry. Never rejects: what goes wrong becomes the reason. */
export async function probe(entry: BackendEntry): Promise<Candidate> {
  const loaded = await entry.load();
  if (!('probe' in loaded)) {
    return { report: { name: entry.name, installed: loaded.installed, available: false, reason: loaded.reason } };
  }
  const found: BackendProbe = await loaded
    .probe()
    .catch((error: unknown) => ({ available: false, reason: `its probe failed: ${messageOf(error)}` }));
  return { report: { name: entry.name, installed: true, ...found }, provider: loaded };
}
