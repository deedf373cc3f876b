import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, model, slow } from './support/cli.ts';

interface PlanJson {
  backend: string;
  why: string;
  bytes: number;
  denseBytes: number;
  flops: number;
  denseFlops: number;
}

describe('flashmla plan', slow, () => {
  it('says what a length takes, sparse and dense', async () => {
    const plan = await flashmlaJson<PlanJson>('plan', '--model', model, '--tokens', '4096', '--backend', 'cpu');
    expect(plan).toMatchObject({ backend: 'cpu', dtype: 'float32', why: expect.stringMatching(/^cpu, /) });
    // 6.4 million weights, and 4 layers of dense attention over 4096 keys of 4 heads of 64.
    expect(plan.bytes).toBeGreaterThan(4 * 6e6);
    expect(plan.denseBytes).toBeGreaterThan(4 * 6e6);
    expect(plan.denseFlops).toBeGreaterThan(4 * 4 * 4 * 4096 * 4096 * 64);
    expect(plan.flops).toBeLessThan(plan.denseFlops / 2);
  });

  it('computes more with a larger K', async () => {
    const [few, many] = await Promise.all(
      ['16', '256'].map((k) => flashmlaJson<PlanJson>('plan', '--tokens', '2048', '--k', k)),
    );
    expect(few!.flops).toBeLessThan(many!.flops);
  });

  it('prints a table, and says when the model takes less', async () => {
    const { stdout } = await flashmla('plan', '--model', model, '--tokens', '100000');
    expect(stdout).toMatch(/4096 tokens, the most this model takes \(100000 were asked for\)/);
    expect(stdout).toMatch(/attention +memory +work\nsparse +[\d.]+ MiB +[\d.]+ GFLOP/);
  });

  it('fails without a length, and for a folder without a model', async () => {
    expect(await failureOf('plan', '--model', model)).toMatch(/--tokens is missing/);
    expect(await failureOf('plan', '--model', '/no/such/folder', '--tokens', '8')).toMatch(/config\.json/);
  });
});
