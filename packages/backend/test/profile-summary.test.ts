import { costOf } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { summarizeProfile } from '../src/index.ts';
import { norm, profile, square } from './profiles.ts';

it('adds up the calls of a problem, the longest first', () => {
  const { wallMs, opsMs, ops } = summarizeProfile(profile);
  expect({ wallMs, opsMs }).toEqual({ wallMs: 14, opsMs: 10 });
  expect(ops.map(({ op, calls, totalMs, share }) => ({ op, calls, totalMs, share }))).toEqual([
    { op: 'linear', calls: 2, totalMs: 8, share: 0.8 },
    { op: 'layer-norm', calls: 1, totalMs: 2, share: 0.2 },
  ]);
  expect(ops[0]).toMatchObject({ problem: square, shape: '[100, 100] → [100, 100]' });
});

it('gives rates by the declaration of the op, density by the plan, balance by the threads', () => {
  const [linear, layerNorm] = summarizeProfile(profile).ops;
  // 2 × 100³ FLOPs and three matrices of 40 kB, twice in 8 ms.
  expect(linear).toMatchObject({ flops: 4e6, bytes: 240_000, flopsPerSecond: 5e8, bytesPerSecond: 3e7, density: 0.9 });
  expect(linear!.intensity).toBeCloseTo(4e6 / 240_000);
  // Of 2 threads × 8 ms, 6 ms were waited.
  expect(linear!.balance).toBeCloseTo(12 / 16);
  expect(linear!.rooflineShare).toBeUndefined();
  expect(layerNorm).not.toHaveProperty('density');
  expect(layerNorm).not.toHaveProperty('balance');
});

it('measures against the roof that is nearer: the peak or the bandwidth', () => {
  const [linear, layerNorm] = summarizeProfile(profile, { flopsPerSecond: 1e9, bytesPerSecond: 1e8 }).ops;
  // 4 MFLOP at 1 GFLOP/s are 4 ms, 240 kB at 100 MB/s 2.4 ms.
  expect(linear!.rooflineShare).toBeCloseTo(4 / 8);
  const { flops, bytes } = costOf(norm);
  expect(flops / 1e9).toBeLessThan(bytes / 1e8);
  expect(layerNorm!.rooflineShare).toBeCloseTo((1000 * bytes) / 1e8 / 2);
});

it('has no rates for what took no time, and nothing to say of an empty profile', () => {
  const instant = { ...profile, ops: [{ ...profile.ops[1]!, endMs: profile.ops[1]!.startMs }] };
  expect(summarizeProfile(instant, { flopsPerSecond: 1, bytesPerSecond: 1 }).ops[0]).toMatchObject({
    ...{ totalMs: 0, share: 0, flopsPerSecond: 0, bytesPerSecond: 0, rooflineShare: 0 },
  });
  expect(summarizeProfile({ ...profile, ops: [] })).toEqual({ wallMs: 14, opsMs: 0, ops: [] });
});
