import { referenceBackend } from '@flashmla/conformance';
import { describe, expect, it, vi } from 'vitest';
import type { Contest } from '../src/contest.ts';
import { chooseByCrossover, chooseByMeasurement, type Stopwatch } from '../src/crossover.ts';
import { FixedGate } from './fixed-gate.ts';

const contest: Contest = {
  backend: referenceBackend(),
  heads: 2,
  headDim: 16,
  dtype: 'float32',
  k: 16,
  gate: new FixedGate(),
  gateKind: 'fixed',
  standIn: () => new FixedGate(),
};

/** A machine on which dense takes tokens², and sparse what the function says. */
const machine = (sparseMs: (tokens: number) => number) =>
  vi.fn<Stopwatch>(async (_contest, tokens) => ({ denseMs: tokens ** 2 / 1000, sparseMs: sparseMs(tokens) }));

const sizesTimed = (stopwatch: ReturnType<typeof machine>) => stopwatch.mock.calls.map(([, tokens]) => tokens);

describe('the crossover', () => {
  it('is where the caller says', () => {
    expect(chooseByCrossover(511, 512).chosen).toBe('dense');
    expect(chooseByCrossover(512, 512).chosen).toBe('sparse');
    expect(chooseByCrossover(1, 0).chosen).toBe('sparse');
  });

  it('is the first measured size at which sparse is 5 % faster', async () => {
    // Equal at 400 tokens, 0.78 of dense at 512.
    const stopwatch = machine((tokens) => 0.4 * tokens);
    expect((await chooseByMeasurement(contest, 511, stopwatch)).chosen).toBe('dense');
    expect(await chooseByMeasurement(contest, 512, stopwatch)).toEqual({
      chosen: 'sparse',
      why: 'sparse measured 1.28 times as fast as dense at 512 tokens',
    });
    expect((await chooseByMeasurement(contest, 8192, stopwatch)).chosen).toBe('sparse');
  });

  it('is not reached by a lead within the noise', async () => {
    const stopwatch = machine((tokens) => (0.96 * tokens ** 2) / 1000);
    expect(await chooseByMeasurement(contest, 2048, stopwatch)).toEqual({
      chosen: 'dense',
      why: 'sparse measured 1.04 times as fast as dense at 2048 tokens',
    });
  });

  it('is measured at no size longer than the input, and no further than needed', async () => {
    const never = machine(() => 1e9);
    await chooseByMeasurement(contest, 100, never);
    expect(sizesTimed(never)).toEqual([]);
    await chooseByMeasurement(contest, 600, never);
    expect(sizesTimed(never)).toEqual([128, 256, 512]);
    const always = machine(() => 0.001);
    await chooseByMeasurement(contest, 4096, always);
    expect(sizesTimed(always)).toEqual([128]);
  });

  it('leaves out sizes that k covers', async () => {
    const never = machine(() => 1e9);
    await chooseByMeasurement({ ...contest, k: 256 }, 1024, never);
    expect(sizesTimed(never)).toEqual([512, 1024]);
  });

  it('is extrapolated beyond the largest size by how both grow', async () => {
    // Dense tokens²/1000, sparse 4·tokens: they meet at 4000, 5 % apart at 4211.
    const linear = machine((tokens) => 4 * tokens);
    expect((await chooseByMeasurement(contest, 4200, linear)).chosen).toBe('dense');
    expect((await chooseByMeasurement(contest, 4211, linear)).chosen).toBe('sparse');
    expect((await chooseByMeasurement(contest, 1e6, linear)).why).toContain('extrapolates to faster from 4211 on');
  });

  it('never comes for a gate that grows as dense does', async () => {
    const quadratic = machine((tokens) => tokens ** 2 / 900);
    expect((await chooseByMeasurement(contest, 1e7, quadratic)).chosen).toBe('dense');
  });

  it('is measured for real, once, and not on a short text', async () => {
    vi.stubEnv('FLASHMLA_CACHE', '');
    try {
      const gate = new FixedGate();
      const real: Contest = { ...contest, heads: 1, headDim: 4, k: 2, gate };
      expect(await chooseByMeasurement(real, 127)).toEqual({
        chosen: 'dense',
        why: '127 tokens are too few for sparse to be faster',
      });
      expect(gate.calls).toBe(0);
      const before = contest.backend.memory().usedBytes;
      const [first, second] = await Promise.all([chooseByMeasurement(real, 128), chooseByMeasurement(real, 200)]);
      expect(first.why).toMatch(/^sparse measured \d+\.\d\d times as fast as dense at 128 tokens$/);
      expect(second).toEqual(first);
      expect(contest.backend.memory().usedBytes).toBe(before);
      const { calls } = gate;
      await chooseByMeasurement(real, 129);
      expect(gate.calls).toBe(calls);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
