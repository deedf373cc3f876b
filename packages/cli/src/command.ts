// What a command is: its options, declared once for parsing and for its help, and what it does with them. A command
// returns its report and prints nothing; main.ts prints.

import { parseArgs } from 'node:util';
import { badInput } from './errors.ts';
import type { ProgressLine } from './progress.ts';

export interface Option {
  readonly type: 'string' | 'boolean';
  /** What stands for the value in the help, e.g. 'DIR'; flags have none. */
  readonly value?: string;
  readonly description: string;
  /** Whether it may be given several times; its value is the list of all then. */
  readonly multiple?: true;
}

export type Options = Readonly<Record<string, Option>>;

/** What was given, by option; texts are not parsed yet. */
export type Values<Declared extends Options> = {
  readonly [Name in keyof Declared]?: Declared[Name]['type'] extends 'boolean'
    ? boolean
    : Declared[Name] extends { readonly multiple: true }
      ? readonly string[]
      : string;
};

export interface Context {
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  readonly progress: ProgressLine;
}

export interface Report {
  /** Printed by --json. */
  readonly json: object;
  /** Printed without it. */
  readonly text: string;
}

export interface Command<Declared extends Options = Options> {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What follows the name, e.g. '--model DIR --tokens N [--k K]'. */
  readonly usage: string;
  /** What its help adds, in paragraphs. */
  readonly details?: string;
  readonly options: Declared;
  /** What the word after the command's name may be; the commands that have none take no such word. */
  readonly subjects?: readonly string[];
  /** @param subject one of `subjects`, where the command has them */
  run(values: Values<Declared>, context: Context, subject: string): Promise<Report>;
}

/** A command, its values typed by its options. */
export const command = <const Declared extends Options>(declared: Command<Declared>): Command =>
  declared as unknown as Command;

/** Options that main.ts answers itself, and every command has. */
const commonOptions = {
  json: { type: 'boolean', description: 'print one JSON object on stdout and nothing else there' },
  help: { type: 'boolean', description: 'print this' },
} as const satisfies Options;

export interface CommandLine {
  readonly values: Values<Options> & Values<typeof commonOptions>;
  /** Empty for a command without subjects. */
  readonly subject: string;
}

/** What `args` give to a command: its subject, and values of its options. Raises for anything that is neither. */
export function parseCommandLine({ name, options, subjects = [] }: Command, args: readonly string[]): CommandLine {
  const known: Options = { ...options, ...commonOptions };
  const list = Object.keys(known)
    .map((option) => `--${option}`)
    .join(', ');
  const { values, tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(known).map(([option, { type, multiple = false }]) => [option, { type, multiple }]),
    ),
    strict: false,
    tokens: true,
  });
  const seen = new Set<string>();
  let subject = '';
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (subject === '' && subjects.includes(token.value)) {
        subject = token.value;
        continue;
      }
      if (subject === '' && subjects.length > 0) throw wrongSubject(name, subjects, `'${token.value}'`);
      throw badInput(`${name} was given '${token.value}', which belongs to no option; its options are ${list}.`);
    }
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(known, token.name) ? known[token.name] : undefined;
    if (!option || !token.rawName.startsWith('--')) {
      throw badInput(`${name} has no option '${token.rawName}'; its options are ${list}.`);
    }
    // A value that looks like an option is one, unless it was tied to its own by '='.
    const value = token.inlineValue || !token.value?.startsWith('--') ? token.value : undefined;
    if (option.type === 'string' && value === undefined) {
      throw badInput(
        `${name} was given --${token.name} without a value; expected --${token.name} ${option.value}, or ` +
          `--${token.name}=${option.value} for a value that begins with --.`,
      );
    }
    if (option.type === 'boolean' && value !== undefined) {
      throw badInput(`${name} was given --${token.name} with the value '${value}'; expected --${token.name} alone.`);
    }
    if (seen.has(token.name) && !option.multiple)
      throw badInput(`${name} was given --${token.name} twice; give it once.`);
    seen.add(token.name);
  }
  if (subject === '' && subjects.length > 0) throw wrongSubject(name, subjects, 'nothing');
  return { values: values as CommandLine['values'], subject };
}

function wrongSubject(name: string, subjects: readonly string[], given: string): Error {
  return badInput(`${name} was given ${given} to ${name}; expected ${name} ${subjects.join('|')}.`);
}

/** What `flashmla <name> --help` prints. */
export function commandHelp({ name, summary, usage, details, options }: Command): string {
  const rows = Object.entries<Option>({ ...options, ...commonOptions }).map(
    ([option, { value, description }]) => [value ? `--${option} ${value}` : `--${option}`, description] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`);
  return [`flashmla ${name} ${usage}`.trim(), '', summary, '', ...lines, ...(details ? ['', details] : []), ''].join(
    '\n',
  );
}
