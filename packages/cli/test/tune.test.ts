import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, model, slow } from './support/cli.ts';

describe('flashmla tune', slow, () => {
  it('has nothing to choose on the CPU, and says so', async () => {
    const { stdout } = await flashmla('tune', '--model', model, '--tokens', '64', '--backend', 'cpu');
    expect(stdout).toMatch(/^cpu: .*\n\nEvery kernel that this model runs has one variant here\.\n$/);
  });

  it('prints one object as JSON', async () => {
    const tuned = await flashmlaJson('tune', '--model', model, '--tokens', '64,128', '--backend', 'cpu');
    expect(tuned).toEqual({ backend: 'cpu', device: expect.stringMatching(/thread/), results: [] });
  });

  it('fails for lengths that are none', async () => {
    expect(await failureOf('tune', '--model', model, '--tokens', '64,x')).toMatch(/--tokens is 'x'/);
  });
});
