// Options that several commands share, and the parsing of their values.

import type { GateName } from '@flashmla/gating';
import type { SwapOptions } from '@flashmla/model-swap';
import { type BackendName, type Precision, precisions } from '@flashmla/tensor';
import type { Option, Options, Values } from './command.ts';
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

export const attentionOption = {
  type: 'string',
  value: 'KIND',
  description: 'dense or sparse (default)',
} as const satisfies Option;

export const kOption = {
  type: 'string',
  value: 'K',
  description: 'keys a query attends to; default: what was chosen for the model (search), else by length, 16, 32 or 64',
} as const satisfies Option;

export const dtypeOption = {
  type: 'string',
  value: 'DTYPE',
  description: `what weights and activations are kept in: ${precisions.join(', ')} (linear weights in int8); default: what was chosen for the model, else float32`,
} as const satisfies Option;

export const parseDType = (given: string | undefined): Precision =>
  given === undefined ? 'float32' : parseChoice('dtype', given, precisions);

/** The backend that is required; undefined for 'auto'. */
export function parseBackend(given: string | undefined): BackendName | undefined {
  return given === undefined || given === 'auto' ? undefined : parseChoice('backend', given, backendNames, 'auto');
}

export const parseGate = (given: string | undefined): GateName =>
  given === undefined ? 'content' : parseChoice('gate', given, gateNames);

export const attentionKinds = ['dense', 'sparse'] as const;
export type AttentionKind = (typeof attentionKinds)[number];

interface SwapValues {
  readonly attention?: string;
  readonly k?: string;
  readonly gate?: string;
  readonly crossover?: string;
}

/** The kind of attention, and what to swap in for it; undefined = nothing, it stays dense. */
export function parseSwap(values: SwapValues): { attention: AttentionKind; swap: SwapOptions | undefined } {
  const attention =
    values.attention === undefined ? 'sparse' : parseChoice('attention', values.attention, attentionKinds);
  const k = parseWhole('k', values.k, 1);
  const crossover = parseWhole('crossover', values.crossover, 0);
  const gate = values.gate === undefined ? undefined : parseGate(values.gate);
  if (attention === 'sparse') {
    // With none of them, what was chosen for the model.
    const given = {
      ...(gate && { gate }),
      ...(k !== undefined && { k }),
      ...(crossover !== undefined && { crossover }),
    };
    return { attention, swap: given };
  }
  const useless = (['k', 'gate', 'crossover'] as const).find((option) => values[option] !== undefined);
  if (useless === undefined) return { attention, swap: undefined };
  throw badInput(`--${useless} was given with --attention dense, where it means nothing; leave one of them out.`);
}

/** The one option of `sources` that was given, and its value. */
export function oneGiven<Declared extends Options, Name extends keyof Declared & string>(
  options: Declared,
  values: Values<Declared>,
  sources: readonly Name[],
): [Name, string] {
  const given = sources.filter((name) => values[name] !== undefined);
  if (given.length === 1) return [given[0]!, values[given[0]!] as string];
  const problem = given.length === 0 ? 'there is no text' : 'there is more than one source of texts';
  throw badInput(`${problem}; give one of ${sources.map((name) => `--${name} ${options[name]!.value}`).join(', ')}.`);
}

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
