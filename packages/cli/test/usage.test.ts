import { describe, expect, it } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { main } from '../src/main.ts';
import { failureOf, flashmla, slow } from './support/cli.ts';

describe('flashmla', slow, () => {
  it('lists its commands, and the options of one', async () => {
    for (const args of [[], ['--help']]) {
      const { code, stdout } = await flashmla(...args);
      expect(code).toBe(0);
      for (const name of ['doctor', 'run', 'eval', 'score-squad', 'bench', 'plan', 'profile', 'train-tokenizer'])
        expect(stdout).toContain(`flashmla ${name}`);
    }
    const { code, stdout } = await flashmla('run', '--text', '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^flashmla run --model DIR/);
    expect(stdout).toMatch(/^ {2}--crossover N +fewer tokens/m);
  });

  it('says its version', async () => {
    expect((await flashmla('--version')).stdout).toBe(`${packageJson.version}\n`);
  });

  it.each([
    [
      'a command that is none',
      ['benhc'],
      /no command 'benhc'; the commands are doctor, run, eval, score-squad, bench, plan/,
    ],
    [
      'an option that is none',
      ['plan', '--token', '8'],
      /plan has no option '--token'; its options are --model, --tokens, --k/,
    ],
    ['a short option', ['plan', '-k', '8'], /plan has no option '-k'/],
    ['a word that belongs to no option', ['doctor', 'now'], /doctor was given 'now', which belongs to no option/],
    ['an option without its value', ['plan', '--tokens', '--json'], /--tokens without a value; expected --tokens N/],
    ['a flag with a value', ['doctor', '--json=yes'], /--json with the value 'yes'/],
    ['an option given twice', ['plan', '--tokens', '8', '--tokens', '9'], /--tokens twice/],
    ['nothing to bench', ['bench', '--tokens', '8'], /expected bench attention\|layer\|model/],
    ['something else to bench', ['bench', 'cpu', '--tokens', '8'], /was given 'cpu'/],
    [
      'a peer that is none',
      ['bench', 'layer', '--tokens', '8', '--peers', 'tfjs'],
      /--peers is 'tfjs'; expected one of ort-web/,
    ],
    ['threads that are none', ['run', '--text', 'x', '--threads', '0'], /--threads is '0'/],
  ])('fails for %s', async (_, args, line) => {
    expect(await failureOf(...args)).toMatch(line);
  });

  it('ends with 130 when it is interrupted', async () => {
    expect(await main(['run', '--text', 'x'], AbortSignal.abort())).toBe(130);
  });
});
