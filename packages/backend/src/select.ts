// Opening the best backend: the one that is asked for, or else the fastest, as it was measured on this device.

import { type Backend, describeValue, FlashMLAError, type Precision, type Problem } from '@flashmla/tensor';
import type { BackendEntry } from './backends.ts';
import { checkDType } from './check-dtype.ts';
import { remember } from './explain.ts';
import { type Measurements, measurements } from './measured.ts';
import { checkPreference, type Preference } from './preference.ts';
import { fastestFirst, rank } from './ranking.ts';
import { Search, type Usable } from './search.ts';
import { preferTuned } from './tune.ts';

export interface SelectOptions extends Preference {
  /** Stops the search and what is being measured; whatever opened meanwhile is disposed. */
  signal?: AbortSignal;
  /** Threads that compute, for backends that have them; default: the cores there are. */
  threads?: number;
  /** What is to be computed in: a backend that can't is passed over, unless it is required. Default 'float32'. */
  dtype?: Precision;
  /** What it must compute, such as `trainingProblems` of @flashmla/train: who refuses one is passed over, unless required. */
  problems?: readonly Problem[];
  /** Length of the inputs to come: a GPU often wins only on long ones. Default 512. */
  tokens?: number;
}

/** Lengths that backends are timed with. Each stands for lengths up to twice its own, the last for all longer ones. */
const sizes = [128, 512, 2048] as const;

/** `selectBackend` over any list of entries, and with any place to keep measurements. */
export async function selectFrom(
  entries: readonly BackendEntry[],
  options: SelectOptions = {},
  kept: Measurements = measurements,
): Promise<Backend> {
  const backend = await open(entries, options, kept);
  await preferTuned(backend, kept);
  return backend;
}

async function open(entries: readonly BackendEntry[], options: SelectOptions, kept: Measurements): Promise<Backend> {
  const { require, prefer = [], threads, signal, dtype = 'float32', problems = [] } = options;
  checkDType(dtype);
  checkPreference(
    entries.map(({ name }) => name),
    options,
  );
  const tokens = sizeOf(options.tokens);
  const openOptions = { ...(threads !== undefined && { threads }), ...(signal && { signal }) };
  // What is required is taken as it is: who asked for it is told by whatever it refuses.
  const search = new Search(
    openOptions,
    ...(require === undefined ? ([dtype, problems] as const) : (['float32', []] as const)),
  );

  const how = require === undefined ? 'preferred' : 'required';
  for (const name of require === undefined ? prefer : [require]) {
    const [named] = await search.probe(entries.filter((entry) => entry.name === name));
    const backend = named && (await search.open(named));
    if (backend) return remember(backend, { how, reports: search.reports });
  }

  const usable = await search.probe(entries);
  if (require !== undefined) throw search.failure(require);
  if (usable.length > 1) return fastest(usable, tokens, search, kept);
  const [only] = usable;
  const backend = only && (await search.open(only));
  if (!backend) throw search.failure(undefined);
  return remember(backend, { how: 'only', reports: search.reports });
}

/** What was measured before opens the winner and nothing else; what is measured now has it open already. */
async function fastest(
  candidates: readonly Usable[],
  tokens: number,
  search: Search,
  kept: Measurements,
): Promise<Backend> {
  const { signal } = search.openOptions;
  const { outcomes, winner: first, errors } = await rank(candidates, tokens, search.openOptions, kept);
  if (signal?.aborted) await first?.dispose();
  signal?.throwIfAborted();
  const winner = first && (await search.unlessRefused(first));
  for (const outcome of outcomes) {
    if (!('failure' in outcome)) continue;
    search.passOver(outcome.name, `failed when it was measured: ${outcome.failure}`, errors.get(outcome.name));
  }
  let backend = winner;
  for (const name of backend ? [] : fastestFirst(outcomes)) {
    if (!backend && name !== first?.name) {
      backend = await search.open(candidates.find(({ report }) => report.name === name)!);
    }
  }
  if (!backend) throw search.failure(undefined);
  return remember(backend, { how: 'measured', reports: search.reports, tokens, outcomes });
}

function sizeOf(tokens: number = 512): number {
  if (!Number.isSafeInteger(tokens) || tokens < 1) {
    throw new FlashMLAError(
      'invalid-argument',
      `[backend] tokens is ${describeValue(tokens)}; expected a whole number from 1 on, the length of the inputs to come. Leave it out for 512.`,
    );
  }
  return sizes.find((size) => tokens <= 2 * size) ?? sizes[2];
}
