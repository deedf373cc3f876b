// Sums the tests of all packages from vitest's closing lines ("Tests  1 failed | 2 passed (3)"), as turbo keeps them in
// each package's log and restores them with a cached result. Assumes vitest's default reporter. Running the tests and
// judging them is left to others.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const testLogs = (root) =>
  ['packages', 'apps', 'tooling'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name, '.turbo/turbo-test.log')),
  );

/** Removes the logs of earlier runs, so that what is counted afterwards ran, or was replayed, now. */
export function clearTestLogs(root) {
  for (const log of testLogs(root)) rmSync(log, { force: true });
}

/** Tests of all packages by outcome. Todo tests count as skipped, a file that does not load as one failed test. */
export function countTests(root) {
  const count = { passed: 0, failed: 0, skipped: 0, todo: 0 };
  for (const log of testLogs(root).filter((path) => existsSync(path))) {
    const text = stripVTControlCharacters(readFileSync(log, 'utf8'));
    for (const [, outcomes] of text.matchAll(/^ +Tests {2}(.+) \(\d+\)$/gm)) {
      for (const [, number, outcome] of outcomes.matchAll(/(\d+) (\w+)/g)) count[outcome] += Number(number);
    }
    for (const [, suites] of text.matchAll(/ Failed Suites (\d+) /g)) count.failed += Number(suites);
  }
  return { passed: count.passed, failed: count.failed, skipped: count.skipped + count.todo };
}
