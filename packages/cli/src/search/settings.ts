// What flashmla search is asked for, checked before anything is opened.

import { type TaskName, taskNames } from '@flashmla/evaluation';
import { type SearchedGate, searchedGates } from '@flashmla/model-swap';
import { type Precision, precisions } from '@flashmla/tensor';
import { badInput } from '../errors.ts';
import { parseChoice, parseChoices, parseWhole, required } from '../options.ts';

export interface Settings {
  readonly data: string;
  readonly out: string;
  readonly task: TaskName | undefined;
  readonly limit: number | undefined;
  readonly latencyMs: number;
  readonly gates: readonly SearchedGate[];
  /** The first is what the others are compared with. */
  readonly dtypes: readonly Precision[];
  /** Texts that errors are measured on. */
  readonly calibration: number;
  /** Points of the curve. */
  readonly points: number;
  readonly seed: number;
}

export const defaults = { calibration: 24, points: 5 };

export function parseSettings(values: Readonly<Record<string, string | boolean | undefined>>): Settings {
  const given = (name: string) => values[name] as string | undefined;
  return {
    data: required('data', given('data'), 'reviews.jsonl'),
    out: required('out', given('out'), 'my-model-fast'),
    latencyMs: parseMs(required('latency-ms', given('latency-ms'), '20')),
    task: given('task') === undefined ? undefined : parseChoice('task', given('task')!, taskNames),
    limit: parseWhole('limit', given('limit'), 1),
    gates: parseChoices('gates', given('gates') ?? 'content,block', searchedGates),
    dtypes: parseChoices('dtypes', given('dtypes') ?? 'float32', precisions),
    calibration: parseWhole('calibration', given('calibration'), 8) ?? defaults.calibration,
    points: parseWhole('points', given('points'), 2) ?? defaults.points,
    seed: parseWhole('seed', given('seed'), 0) ?? 0,
  };
}

function parseMs(given: string): number {
  const value = /^\d+(\.\d+)?$/.test(given.trim()) ? Number(given) : Number.NaN;
  if (value > 0) return value;
  throw badInput(`--latency-ms is '${given}'; expected milliseconds above 0, e.g. --latency-ms 20.`);
}
