// From arguments to an exit code: finds the command, gives it its values, prints its report or the one line that says
// what went wrong.

import { version } from '../package.json';
import { type Command, commandHelp, parseCommandLine } from './command.ts';
import { bench } from './commands/bench.ts';
import { calibrate } from './commands/calibrate.ts';
import { doctor } from './commands/doctor.ts';
import { evaluate } from './commands/eval.ts';
import { plan } from './commands/plan.ts';
import { profile } from './commands/profile.ts';
import { run } from './commands/run.ts';
import { scoreSquad } from './commands/score-squad.ts';
import { search } from './commands/search.ts';
import { train } from './commands/train.ts';
import { trainTokenizer } from './commands/train-tokenizer.ts';
import { tune } from './commands/tune.ts';
import { badInput, errorLine } from './errors.ts';
import { ProgressLine } from './progress.ts';

const commands: readonly Command[] = [
  doctor,
  run,
  evaluate,
  scoreSquad,
  bench,
  plan,
  profile,
  tune,
  calibrate,
  search,
  train,
  trainTokenizer,
];

/** What Ctrl-C ends with: 128 + the number of SIGINT. */
export const interrupted = 130;

/**
 * Runs the command line.
 *
 * @param args without node and script
 * @param signal aborts on Ctrl-C
 * @returns the exit code
 */
export async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const progress = new ProgressLine(process.stderr);
  try {
    const text = await answer(args, signal, progress);
    progress.stop();
    await print(text);
    return 0;
  } catch (error) {
    progress.stop();
    if (signal.aborted) return interrupted;
    console.error(errorLine(error));
    if (process.env.FLASHMLA_DEBUG) console.error(error);
    return 1;
  }
}

async function answer(args: readonly string[], signal: AbortSignal, progress: ProgressLine): Promise<string> {
  const [first, ...rest] = args;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') return help();
  if (first === '--version') return `${version}\n`;
  const command = commands.find(({ name }) => name === first);
  if (!command) {
    const names = commands.map(({ name }) => name).join(', ');
    throw badInput(`there is no command '${first}'; the commands are ${names}. See flashmla --help.`);
  }
  // Asked for before anything else is looked at: who asks for help has not got the rest right yet.
  if (rest.includes('--help') || rest.includes('-h')) return commandHelp(command);
  const { values, subject } = parseCommandLine(command, rest);
  const report = await command.run(values, { signal, progress }, subject);
  return values.json ? `${JSON.stringify(report.json)}\n` : report.text;
}

function help(): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  return [
    `flashmla ${version}: dynamic sparse attention for encoders`,
    '',
    ...commands.map(({ name, summary }) => `  flashmla ${name.padEnd(width)}${summary}`),
    '',
    'flashmla <command> --help lists the options of a command; --json gives its figures as JSON.',
    '',
  ].join('\n');
}

/** Resolves when stdout has taken all of it: the process may exit then. */
function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
