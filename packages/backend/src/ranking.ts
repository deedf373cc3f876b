// How the backends of this device compare, as it was measured before or is measured now, and is kept.

import type { BackendName, OpenOptions } from '@flashmla/tensor';
import { contest, type Outcome, type Result } from './contest.ts';
import { layerSizes } from './encoder-layer.ts';
import type { Measurements } from './measured.ts';
import type { BackendReport } from './probe.ts';
import type { Usable } from './search.ts';

/** The result of a contest; nothing is open when it was held before. Rejects as `contest` does. */
export async function rank(
  candidates: readonly Usable[],
  tokens: number,
  options: OpenOptions,
  kept: Measurements,
): Promise<Result> {
  const device = [...candidates.map(lineOf), `threads=${options.threads ?? 'default'}`].join(' + ');
  const key = `backends tokens=${tokens} layer=${layerSizes}`;
  const names = candidates.map(({ report }) => report.name);
  const isRanking = (value: unknown): value is readonly Outcome[] =>
    Array.isArray(value) && value.every((each) => isOutcome(each, names)) && fastestFirst(value).length > 0;

  let own: Promise<Result> | undefined;
  const measure = async () => {
    own = contest(
      candidates.map(({ provider }) => provider),
      tokens,
      options,
    );
    const { outcomes, winner } = await own;
    if (!winner) throw new Error('all failed: nothing to keep, and who asks next tries again');
    return outcomes;
  };
  for (;;) {
    try {
      const outcomes = await kept.get(device, key, measure, isRanking);
      return own ?? { outcomes, winner: undefined, errors: new Map() };
    } catch {
      if (own) return own;
      // Another search of this process was measuring, and ended without a result: its signal aborted, perhaps.
      options.signal?.throwIfAborted();
    }
  }
}

/** The names in the order in which they should be opened, without those that failed. */
export function fastestFirst(outcomes: readonly Outcome[]): BackendName[] {
  const timeOf = (outcome: Outcome) => ('layerMs' in outcome ? outcome.layerMs : Number.POSITIVE_INFINITY);
  return outcomes
    .filter((outcome) => !('failure' in outcome))
    .sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1))
    .map(({ name }) => name);
}

function lineOf({ report: { name, device, reason, features = [] } }: { readonly report: BackendReport }): string {
  return [name, device ?? reason, ...features].join(' | ');
}

function isOutcome(value: unknown, names: readonly BackendName[]): value is Outcome {
  const { name, ...rest } = (value ?? {}) as Record<string, unknown>;
  if (!names.some((known) => known === name)) return false;
  const { layerMs, tooSlow, failure } = rest;
  return (typeof layerMs === 'number' && layerMs >= 0) || [tooSlow, failure].some((text) => typeof text === 'string');
}
