// The demo from outside: what it prints, and what it says to files it can't use.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Outcome, runDemo } from './run-demo.ts';

const folder = mkdtempSync(join(tmpdir(), 'flashmla-demo-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const praise = 'A wonderful, moving film. The cast is superb and I loved every minute of it. ';

describe('files of the user', () => {
  let outcome: Outcome;
  beforeAll(async () => {
    const long = write('good film.txt', praise.repeat(12));
    const short = write('bad.txt', 'A terrible, boring mess. I hated every minute of this awful film.\n');
    outcome = await runDemo([long, short]);
  }, 120_000);

  test('ends well and quietly', () => {
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
  });

  test('shows label, confidence, time, memory and keys of each text, dense and sparse', () => {
    const figures = String.raw`\s+(\d+\.\d) %\s+[\d.]+ ms\s+\d+\.\d MB\s+(\d+) %`;
    const rows = (name: string, label: string) =>
      new RegExp(
        String.raw`^${name}\s+(\d+)\s+dense\s+${label}${figures}\n.*× as fast\s+sparse\s+${label}${figures}$`,
        'm',
      ).exec(outcome.stdout)!;
    const [, tokens, , denseKeys, , sparseKeys] = rows('good film', 'positive');
    expect(Number(tokens)).toBeGreaterThan(200);
    expect(Number(denseKeys)).toBe(100);
    expect(Number(sparseKeys)).toBeLessThan(50);
    expect(rows('bad', 'negative')).not.toBeNull();
  });

  test('names the backend, and how far to trust the model', () => {
    expect(outcome.stdout).toMatch(/^Backend {2}[a-z]+, the (only one that works|fastest) here: \S/m);
    expect(outcome.stdout).toMatch(/small\s+and trained from scratch/);
  });

  test('shows how much of dense attention the picked keys hold: more than a window, hardly less than the best', () => {
    const rows = [
      ...outcome.stdout.matchAll(/^ +(\d) +(\d+\.\d) % +(\d+\.\d) % +(\d+\.\d) % +(\d+\.\d) % {2}[█▉▊▋▌▍▎▏]*$/gm),
    ];
    expect(rows.map(([, layer]) => layer)).toEqual(['1', '2', '3', '4']);
    const shares = rows.map(([, , ...cells]) => cells.map(Number));
    for (const [layer, [picked, best, window]] of shares.entries()) {
      expect(picked).toBeLessThanOrEqual(best!);
      // The last layer, whose attention is flat, has four keys a head: any four hold about the same.
      if (layer === 3) expect(picked).toBeGreaterThanOrEqual(window!);
      else expect(picked).toBeGreaterThan(window!);
    }
  });

  test('charts the longest text and pictures the first', () => {
    expect(outcome.stdout).toContain('Speed-up by length (good film, cut)');
    expect(outcome.stdout).toMatch(/^ +128 +[\d.]+ ms +[\d.]+ ms +[\d.]+× {2}█.* (dense|sparse)$/m);
    expect(outcome.stdout).toMatch(/^superb +[░▒▓█ ]+$/m);
    expect(outcome.stdout).toMatch(/Most chosen, by all words: \S+ [\d.]+×/);
  });

  test('fits 80 columns, without colours where nobody looks', () => {
    expect(stripVTControlCharacters(outcome.stdout)).toBe(outcome.stdout);
    expect(outcome.stdout.split('\n').filter((line) => [...line].length > 80)).toEqual([]);
  });
});

test('a text of fewer tokens than keys are selected runs dense, and is said to', async () => {
  const { status, stdout } = await runDemo([write('tiny.txt', 'Great fun.')]);
  expect(status).toBe(0);
  expect(stdout).toContain('Note: tiny has no more tokens than sparse selects keys');
  expect(stdout).toContain('too short: every query sees every key');
}, 120_000);

test.each([
  ['missing', () => [join(folder, 'missing.txt')], /missing\.txt is not there; give the path of a text file\./],
  ['empty', () => [write('empty.txt', ' \n\t\n')], /empty\.txt is empty; give a file with text in it\./],
  ['binary', () => [write('image.png', Uint8Array.of(137, 80, 78, 71, 0, 1))], /image\.png is no plain text in UTF-8/],
  ['in another encoding', () => [write('latin.txt', Uint8Array.of(99, 97, 102, 233))], /latin\.txt is no plain text/],
  ['a folder', () => [folder], /is a folder; give text files\./],
  ['the second of two', () => [write('fine.txt', praise), join(folder, 'no.txt')], /no\.txt is not there/],
])('a file that is %s: one line, exit 1, before anything runs', async (_, files, message) => {
  const { status, stdout, stderr } = await runDemo(files());
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toMatch(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test.each([
  [['--k', '0'], "--k is '0'; expected a whole number ≥ 1."],
  [['--speed'], "Unknown option '--speed'"],
])('arguments %j: one line, exit 1', async (args, message) => {
  const { status, stdout, stderr } = await runDemo(args);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('--help tells how it is called', async () => {
  const { status, stdout } = await runDemo(['--help']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^usage: npm start/);
});
