// Runs the built demo as a user does.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { withoutDawnNotices } from '../../../tooling/build/dawn-notices.ts';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runDemo(args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // What a busy machine measures must not be remembered for its user.
    const env = { ...process.env, FLASHMLA_CACHE: '' };
    const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (status) => {
      resolve({ status, stdout: output.stdout, stderr: withoutDawnNotices(output.stderr) });
    });
  });
}
