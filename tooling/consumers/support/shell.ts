// Command lines as a user types them.

import { exec } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(exec);

/** The pnpm that package.json pins, as a command. */
const script = fileURLToPath(new URL('../../../node_modules/pnpm/bin/pnpm.cjs', import.meta.url));
export const pnpm = `"${process.execPath}" "${script}"`;

// What vitest and pnpm put there for themselves: it would change how a bundler builds, and what it finds.
const { NODE_ENV: _nodeEnv, NODE_PATH: _nodePath, ...inherited } = process.env;
const env = {
  ...inherited,
  // pnpm also hands npm options that npm warns of.
  npm_config_loglevel: 'error',
  // Measurements of these runs are not for the user's cache.
  FLASHMLA_CACHE: '',
};

/** Runs a command line; raises with what it printed when it fails. */
export async function shell(command: string, cwd: string): Promise<{ stdout: string; stderr: string }> {
  try {
    return await run(command, { cwd, env, maxBuffer: 2 ** 26 });
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout: string; stderr: string };
    throw new Error([`${message} (in ${cwd})`, stdout, stderr].join('\n'), { cause: error });
  }
}
