// Options that several commands share, and the parsing of their values.

import type { GateName } from '@flashmla/gating';
import { type BackendName, type FloatDType, floatDTypes } from '@flashmla/tensor';
import type { Option } from './command.ts';
import { badInput } from './errors.ts';

const backendNames = ['cuda', 'webgpu', 'native', 'webgl', 'cpu'] as const satisfies readonly BackendName[];
const gateNames = ['content', 'slot', 'block', 'static', 'oracle'] as const satisfies readonly GateName[];

export const backendOption = {
  type: 'string',
  value: 'NAME',
  description: `auto (default: the best there is), ${backendNames.join(', ')}`,
} as const satisfies Option;

export const threadsOption = {
  type: 'string',
  value: 'T',
  description: 'threads that compute, for backends that have them; default: the cores there are',
} as const satisfies Option;

export const modelOption = {
  type: 'string',
  value: 'DIR',
  description: 'a Hugging Face model folder or its URL; default: @flashmla/model-sentiment, if installed',
} as const satisfies Option;

export const gateOption = {
  type: 'string',
  value: 'G',
  description: `what picks the keys: ${gateNames.join(', ')}; default: content`,
} as const satisfies Option;

export const dtypeOption = {
  type: 'string',
  value: 'DTYPE',
  description: `what weights and activations are kept in: ${floatDTypes.join(', ')}; default: float32`,
} as const satisfies Option;

export const parseDType = (given: string | undefined): FloatDType =>
  given === undefined ? 'float32' : parseChoice('dtype', given, floatDTypes);

/** The backend that is required; undefined for 'auto'. */
export function parseBackend(given: string | undefined): BackendName | undefined {
  return given === undefined || given === 'auto' ? undefined : parseChoice('backend', given, backendNames, 'auto');
}

export const parseGate = (given: string | undefined): GateName =>
  given === undefined ? 'content' : parseChoice('gate', given, gateNames);

export const attentionKinds = ['dense', 'sparse'] as const;
export type AttentionKind = (typeof attentionKinds)[number];

/** One of `choices`. `others` are choices that the caller has dealt with, for the message. */
export function parseChoice<Choice extends string>(
  option: string,
  given: string,
  choices: readonly Choice[],
  ...others: readonly string[]
): Choice {
  const found = choices.find((choice) => choice === given);
  if (found) return found;
  throw badInput(`--${option} is '${given}'; expected one of ${[...others, ...choices].join(', ')}.`);
}

/** A comma-separated list of `choices`, none twice. */
export function parseChoices<Choice extends string>(
  option: string,
  given: string,
  choices: readonly Choice[],
): readonly Choice[] {
  return unique(
    option,
    given.split(',').map((one) => parseChoice(option, one.trim(), choices)),
  );
}

/** A whole number ≥ `least`; undefined where nothing was given. */
export function parseWhole(option: string, given: string | undefined, least: number): number | undefined {
  if (given === undefined) return undefined;
  const value = /^\d+$/.test(given.trim()) ? Number(given) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw badInput(`--${option} is '${given}'; expected a whole number ≥ ${least}.`);
}

/** A comma-separated list of whole numbers ≥ `least`, none twice. */
export function parseWholes(option: string, given: string, least: number): readonly number[] {
  return unique(
    option,
    given.split(',').map((one) => parseWhole(option, one, least)!),
  );
}

/** The value of an option that a command can't do without. */
export function required(option: string, given: string | undefined, example: string): string {
  if (given !== undefined) return given;
  throw badInput(`--${option} is missing; give it, e.g. --${option} ${example}.`);
}

function unique<T>(option: string, values: readonly T[]): readonly T[] {
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice === undefined) return values;
  throw badInput(`--${option} names '${String(twice)}' twice; name it once.`);
}
