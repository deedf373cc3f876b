// @flashmla/backend: which backends are installed and work here, the best of them, what was measured on it or profiled, and
// tuning.

import type { Backend, Precision } from '@flashmla/tensor';
import { backends } from './backends.ts';
import { checkComputesWith } from './check-dtype.ts';
import { type BackendReport, probe } from './probe.ts';
import { type SelectOptions, selectFrom } from './select.ts';

export { type ChromeTrace, chromeTrace, type TraceEvent } from './chrome-trace.ts';
export { explain } from './explain.ts';
export { measured } from './measured.ts';
export type { Preference } from './preference.ts';
export type { BackendReport } from './probe.ts';
export { type OpSummary, type ProfileSummary, summarizeProfile } from './profile-summary.ts';
export { measureRoofline, type Roofline, rooflineMs } from './roofline.ts';
export type { SelectOptions } from './select.ts';
export { type TuneOptions, type Tuning, tune, type VariantTime } from './tune.ts';

/**
 * Opens the best backend. One in `require` or `prefer` is taken as it is. Otherwise, where several work, each is timed on
 * a layer of an encoder, which is remembered for 30 days as other measurements are (`measured`): a later process opens
 * the fastest at once. One that is not installed, not available, does not open or fails is passed over. `explain` tells
 * what decided. It is told what `tune` measured on its device before. The caller disposes the backend.
 *
 * @throws FlashMLAError 'backend-unavailable' with the reason of every backend when none will do, or when the one in
 * `require` won't; 'invalid-argument' for an unknown name, 'unsupported' for an unknown dtype; the signal's reason when it aborts
 */
export function selectBackend(options: SelectOptions = {}): Promise<Backend> {
  return selectFrom(backends, options);
}

/**
 * Raises FlashMLAError 'unsupported' unless `backend` computes in `dtype`: which backend here does, and what to do.
 * float32 is what every backend computes in.
 */
export function checkComputes(backend: Backend, dtype: Precision): Promise<void> {
  return checkComputesWith(probeBackends, backend, dtype);
}

/** What is known of every backend, also of those that are not installed. Opens none. */
export async function probeBackends(): Promise<BackendReport[]> {
  const candidates = await Promise.all(backends.map(probe));
  return candidates.map(({ report }) => report);
}
