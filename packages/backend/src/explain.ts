// Why a backend was chosen, remembered for as long as the backend is, and told in words.

import type { Backend, BackendName } from '@flashmla/tensor';
import type { Outcome } from './contest.ts';
import type { BackendReport } from './probe.ts';

/** What decided. */
export interface Choice {
  readonly how: 'required' | 'preferred' | 'only' | 'measured';
  /** What is known of those that were looked at. */
  readonly reports: readonly BackendReport[];
  /** Length of the input that backends were timed with. */
  readonly tokens?: number;
  readonly outcomes?: readonly Outcome[];
}

const choices = new WeakMap<Backend, Choice>();

export function remember(backend: Backend, choice: Choice): Backend {
  choices.set(backend, choice);
  return backend;
}

/**
 * Why this backend, and why none of the others, in one sentence without its full stop: what was asked for, or what each
 * took for a layer of an encoder, and what is missing or does not work here.
 */
export function explain(backend: Backend): string {
  const { name, device } = backend;
  const choice = choices.get(backend);
  if (!choice) return `${name}, opened by its user and not by selectBackend: ${device.description}`;
  const { how, reports, tokens, outcomes = [] } = choice;
  const unfit = reports.filter((report) => report.name !== name && !report.available);
  const fit = outcomes.filter((outcome) => !unfit.some((report) => report.name === outcome.name));
  const parts = [`${name}, ${claims[how]}: ${device.description}`];
  if (fit.length > 0) parts.push(`a layer of ${tokens} tokens takes ${timesOf(fit, name)}`);
  if (unfit.length > 0) parts.push(`passed over: ${reasonsOf(unfit)}`);
  return parts.join('; ');
}

const claims = {
  required: 'as required, without measuring',
  preferred: 'as preferred, without measuring',
  only: 'the only one that works here',
  measured: 'the fastest here',
} as const;

/** '3.1 ms, on cpu 9.4 ms (3.0 times as long), on webgl more than 38 ms': the chosen one first. */
function timesOf(outcomes: readonly Outcome[], chosen: BackendName): string {
  const own = outcomes.find(({ name }) => name === chosen);
  const ownMs = own && 'layerMs' in own ? own.layerMs : undefined;
  const others = outcomes.flatMap((outcome) => {
    if (outcome === own || 'failure' in outcome) return [];
    if ('tooSlow' in outcome) return [`on ${outcome.name} ${outcome.tooSlow}`];
    const ratio = ownMs === undefined ? '' : ` (${(outcome.layerMs / ownMs).toFixed(1)} times as long)`;
    return [`on ${outcome.name} ${formatMs(outcome.layerMs)}${ratio}`];
  });
  return [...(ownMs === undefined ? [] : [formatMs(ownMs)]), ...others].join(', ');
}

const formatMs = (ms: number) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

/** 'webgl (no canvas); native, cuda (not installed)' */
function reasonsOf(unfit: readonly BackendReport[]): string {
  const absent = unfit.filter(({ installed }) => !installed).map(({ name }) => name);
  return [
    ...unfit.filter(({ installed }) => installed).map(({ name, reason }) => `${name} (${reason})`),
    ...(absent.length > 0 ? [`${absent.join(', ')} (not installed)`] : []),
  ].join('; ');
}
