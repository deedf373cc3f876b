import type { BackendReport } from '@flashmla/backend';
import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, slow } from './support/cli.ts';

describe('flashmla doctor', slow, () => {
  it('reports every backend, also those that are not installed', async () => {
    const { node, backends, why } = await flashmlaJson<{ node: string; backends: BackendReport[]; why: string }>(
      'doctor',
    );
    expect(node).toBe(process.version);
    expect(backends.map(({ name }) => name)).toEqual(['cpu', 'native', 'cuda', 'webgpu', 'webgl']);
    for (const report of backends) expect(report.reason).not.toBe('');
    expect(backends[0]).toMatchObject({ installed: true, available: true, device: expect.any(String) });
    expect(why).toMatch(/^[a-z]+, the (fastest|only one that works) here: /);
  });

  it('prints a table and what is in use', async () => {
    const { code, stdout } = await flashmla('doctor', '--backend', 'cpu');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^backend +installed +available/m);
    expect(stdout).toMatch(/^In use: cpu, as required/m);
  });

  it('fails for a backend that is none', async () => {
    expect(await failureOf('doctor', '--backend', 'abacus')).toMatch(/'abacus'; expected one of auto, cuda, webgpu/);
  });
});
