// bench:check: did a change make something slower? Compares two results files of `flashmla bench … --out`.

import { readFile } from 'node:fs/promises';
import { parseResults } from '@flashmla/workloads';
import { compareRatios, type RatioChange } from './check/ratios.ts';
import { badInput, main } from './command.ts';
import { table } from './table.ts';

const defaultTolerance = 0.15;

void main({
  name: 'check',
  summary: 'compares how many times as fast we are in two results files; exits with 1 when that got worse',
  options: {
    baseline: 'the results file of before',
    candidate: 'the results file of now',
    tolerance: `how much smaller a ratio may be; default ${defaultTolerance}`,
  },

  async run({ baseline, candidate, tolerance }) {
    const [before, after] = await Promise.all([read('baseline', baseline), read('candidate', candidate)]);
    const changes = compareRatios(before, after, share(tolerance));
    const bad = changes.filter(({ verdict }) => verdict === 'worse' || verdict === 'lost');
    if (changes.length === 0) throw badInput(`${baseline} has no two times to compare; measure it with --peers.`);
    if (bad.length > 0) process.exitCode = 1;
    const machines =
      before.machine.cpu === after.machine.cpu && before.machine.node === after.machine.node
        ? ''
        : `Measured on different machines or Nodes: ${before.machine.cpu}, ${before.machine.node}, and ` +
          `${after.machine.cpu}, ${after.machine.node}.\n`;
    const verdict = bad.length === 0 ? 'Nothing got worse.' : `${bad.length} of ${changes.length} ratios got worse.`;
    return {
      json: { changes, worse: bad.length },
      text: `${table(['', 'before', 'after', ''], changes.map(rowOf))}\n${machines}${verdict}\n`,
    };
  },
});

async function read(option: string, file: string | undefined) {
  if (file === undefined) throw badInput(`--${option} is missing; give a file of \`flashmla bench … --out FILE\`.`);
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw badInput(`--${option} can't be read: ${cause.message}.`, { cause });
  });
  return parseResults(text, file);
}

function share(given: string | undefined): number {
  const value = given === undefined ? defaultTolerance : Number(given);
  if (value >= 0 && value < 1) return value;
  throw badInput(`--tolerance is '${given}'; expected a share below 1, e.g. 0.15.`);
}

function rowOf({ what, before, after, verdict }: RatioChange): string[] {
  const times = (ratio: number | null) => (ratio === null ? '–' : `${ratio.toFixed(2)}×`);
  return [what, times(before), times(after), verdict];
}
