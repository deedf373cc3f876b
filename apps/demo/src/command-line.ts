// What the command line asks for.

import { parseArgs } from 'node:util';
import { InputError } from './input-error.ts';

export interface Request {
  /** Texts to classify; empty = the demo's own. */
  readonly files: readonly string[];
  /** Keys a query selects; absent = by length. */
  readonly k: number | undefined;
  readonly color: boolean;
  readonly help: boolean;
}

export const usage = `usage: npm start -- [file ...] [--k K] [--no-color]

Classifies texts with dense and with sparse attention, and shows what it costs.

  file         plain text in UTF-8, one text a file; default: the demo's own texts
  --k K        keys a query selects; default: by length (16, 32 or 64)
  --no-color   no colours; NO_COLOR in the environment does the same
  --help       this`;

export function parseCommandLine(args: readonly string[]): Request {
  const { values, positionals } = parse(args);
  const k = values.k === undefined ? undefined : Number(values.k);
  if (k !== undefined && !(Number.isSafeInteger(k) && k >= 1)) {
    throw new InputError(`--k is '${values.k}'; expected a whole number ≥ 1.`);
  }
  return { files: positionals, k, color: !values['no-color'], help: values.help };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        k: { type: 'string' },
        'no-color': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    // The first sentence names the argument; what follows is advice on how Node parses.
    const [reason] = (error as Error).message.split('. ');
    throw new InputError(`${reason}. See npm start -- --help.`);
  }
}
