// The built command line as a child process: what a user runs.

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { modelUrl } from '@flashmla/model-sentiment';
import { afterAll, beforeAll, expect } from 'vitest';
import { withoutDawnNotices } from '../../../../tooling/build/dawn-notices.ts';

/** Starts a process, measures a crossover, fits gates: seconds where the cores are free, more where they are not. */
export const slow = { timeout: 180_000 };

export const model = fileURLToPath(modelUrl);

const executable = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** What the built command line starts for a peer. */
export const peerScript = new URL('../../dist/peer-process.js', import.meta.url);

export interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder for the tests of a file; it also keeps what their processes measure. */
export function useFolder(): { path: () => string; write: (name: string, text: string) => Promise<string> } {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flashmla-cli-'));
    process.env.FLASHMLA_CACHE = join(folder, 'cache');
  });
  afterAll(() => rm(folder, { recursive: true }));
  return {
    path: () => folder,
    async write(name, text) {
      const file = join(folder, name);
      await writeFile(file, text);
      return file;
    },
  };
}

export function flashmla(...args: string[]): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [executable, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr: withoutDawnNotices(stderr) }));
  });
}

/** The object that a command prints with --json. Checks that it is all that is printed. */
export async function flashmlaJson<Shape>(...args: string[]): Promise<Shape> {
  const { code, stdout, stderr } = await flashmla(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Shape;
}

/** The line that a command fails with. Checks that it is one, and that nothing is on stdout. */
export async function failureOf(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await flashmla(...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stderr).toMatch(/^\[[a-z-]+\] \S/);
  return stderr;
}
