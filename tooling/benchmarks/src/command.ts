// What all benchmarks share as programs: their options, their output, and the one line that says what went wrong. What is
// measured is left to each.

import { type ParseArgsConfig, parseArgs } from 'node:util';
import { FlashMLAError } from '@flashmla/tensor';

export interface Report {
  /** Printed by --json, unrounded. */
  readonly json: object;
  readonly text: string;
}

export interface Benchmark<Name extends string> {
  readonly name: string;
  /** What it measures, for --help. */
  readonly summary: string;
  /** Option → its description for --help; each takes a value. */
  readonly options: Readonly<Record<Name, string>>;
  run(values: Readonly<Partial<Record<Name, string>>>): Promise<Report>;
}

/** Runs the benchmark with the arguments of this process. Sets the exit code to 1 when it can't be measured. */
export async function main<Name extends string>(benchmark: Benchmark<Name>): Promise<void> {
  // Whatever an earlier run measured and kept must not decide what this one does, nor this one's what a user gets.
  process.env.FLASHMLA_CACHE = '';
  try {
    const { json, help, ...values } = parse(benchmark);
    if (help) return void process.stdout.write(helpOf(benchmark));
    const report = await benchmark.run(values as Partial<Record<Name, string>>);
    process.stdout.write(json ? `${JSON.stringify(report.json)}\n` : report.text);
  } catch (error) {
    console.error(error instanceof FlashMLAError ? error.message : error);
    process.exitCode = 1;
  }
}

function parse({ options }: Benchmark<string>) {
  const args = process.argv.slice(2).filter((argument) => argument !== '--'); // pnpm passes it on
  const own = Object.keys(options).map((name) => [name, { type: 'string' }] as const);
  const declared: NonNullable<ParseArgsConfig['options']> = {
    ...Object.fromEntries(own),
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  };
  try {
    return parseArgs({ args, options: declared }).values;
  } catch (cause) {
    throw badInput(`${(cause as Error).message} --help lists the options.`, { cause });
  }
}

function helpOf({ name, summary, options }: Benchmark<string>): string {
  const rows = Object.entries({ ...options, json: 'print one JSON object', help: 'print this' });
  const width = Math.max(...rows.map(([option]) => option.length)) + 2;
  return [
    `bench:${name}: ${summary}`,
    '',
    ...rows.map(([option, text]) => `  --${option.padEnd(width)}${text}`),
    '',
  ].join('\n');
}

export function badInput(message: string, options?: ErrorOptions): FlashMLAError {
  return new FlashMLAError('invalid-argument', `[benchmarks] ${message}`, options);
}

/** The whole number ≥ 1 that was given, or `otherwise`. */
export function whole(option: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw badInput(`--${option} is '${given}'; expected a whole number ≥ 1.`);
}

/** Says on a terminal what is going on; says nothing where the output is kept. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\x1b[2K\r${text}${text === '' ? '' : ' …'}`);
}
