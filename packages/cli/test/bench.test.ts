import { provider } from '@flashmla/kernels-cpu';
import type { Backend } from '@flashmla/tensor';
import {
  attentionWorkloads,
  EncoderWorkloads,
  largestDifference,
  relativeError,
  type Workload,
} from '@flashmla/workloads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alternate } from '../src/bench/alternate.ts';
import { compare, type Row } from '../src/bench/compare.ts';
import type { Machine } from '../src/bench/machine.ts';
import { flashmla, flashmlaJson, model, slow, useFolder } from './support/cli.ts';

interface BenchJson {
  machine: Machine;
  results: Row[];
}

const everyone = ['flashmla-sparse', 'flashmla-dense', 'onnxruntime-web', 'onnxruntime-node'];
useFolder();

describe('flashmla bench', slow, () => {
  it.each(['attention', 'layer', 'model'])('times all implementations of %s side by side', async (subject) => {
    const args = ['--tokens', '48,64', '--k', '16', '--threads', '1', '--peers', 'ort-web,ort-node', '--model', model];
    const { machine, results } = await flashmlaJson<BenchJson>('bench', subject, ...args);
    expect(machine).toMatchObject({ node: process.version, threads: 1, backend: 'cpu' });
    expect(Object.keys(machine.versions)).toEqual(['flashmla', 'onnxruntime-web', 'onnxruntime-node']);
    expect(results.map(({ implementation, tokens }) => `${implementation} ${tokens}`)).toEqual(
      [48, 64].flatMap((tokens) => everyone.map((implementation) => `${implementation} ${tokens}`)),
    );
    for (const row of results) {
      expect(row.error).toBeUndefined();
      expect(row.runs).toBeGreaterThanOrEqual(5);
      expect(row.minMs).toBeGreaterThan(0);
      expect(row.medianMs).toBeGreaterThanOrEqual(row.minMs!);
      expect(row.maxMs).toBeGreaterThanOrEqual(row.medianMs!);
      const isPeer = row.implementation.startsWith('onnxruntime');
      expect(row.peakBytes === null).toBe(isPeer);
      expect(row.graph !== undefined).toBe(isPeer);
      expect(row.outputError !== undefined).toBe(row.implementation === 'flashmla-sparse');
    }
  });

  it('prints a table with the machine above it', async () => {
    const { stdout } = await flashmla('bench', 'attention', '--tokens', '32', '--model', model);
    expect(stdout).toMatch(/\d+ cores, [\d.]+ GiB, .* Node v/);
    expect(stdout).toMatch(/tokens +implementation +median/);
    expect(stdout).toMatch(/its worst case/);
  });
});

describe('compare', slow, () => {
  const geometry = { modelDim: 32, heads: 2, headDim: 16, intermediateDim: 64, layers: 2 };
  const tokens = 40;
  let backend: Backend;
  beforeAll(async () => {
    backend = await provider.open({ threads: 1 });
  });
  afterAll(() => backend.dispose());

  const rowsOf = (workload: Workload) => {
    const { signal } = new AbortController();
    const peers = ['onnxruntime-node'] as const;
    return compare(
      workload,
      { backend, tokens, k: 8, peers, threads: 1, dtype: 'float32', signal, progress: () => {} },
      {},
    );
  };

  it('does not time a peer that computes something else', async () => {
    const workload = attentionWorkloads(backend, geometry)(tokens, 8);
    const { query, value } = workload.peerInputs as Record<'query' | 'value', Workload['peerInputs'][string]>;
    const rows = await rowsOf({ ...workload, peerInputs: { query, key: value, value } });
    workload.dispose();
    expect(rows.at(-1)).toMatchObject({ implementation: 'onnxruntime-node', medianMs: null, runs: 0 });
    expect(rows.at(-1)!.error).toMatch(/differs from flashmla-dense by [\d.]+ of its scale/);
    expect(rows[0]!.runs).toBe(27);
  });

  it('goes on when one of them fails, and gives all memory back', async () => {
    const before = backend.memory().usedBytes;
    const encoder = new EncoderWorkloads(backend, geometry);
    const workload = encoder.workloadOf(tokens, 8);
    const failing = () => Promise.reject(new Error('out of memory:\n  far too long'));
    const rows = await rowsOf({ ...workload, own: { ...workload.own, 'flashmla-dense': failing } });
    workload.dispose();
    encoder.dispose();
    expect(rows[1]).toMatchObject({ implementation: 'flashmla-dense', medianMs: null, peakBytes: null });
    expect(rows[1]!.error).toContain('out of memory: far too long');
    expect(rows[0]).toMatchObject({ runs: 27 });
    expect(rows[0]!.outputError).toBeUndefined();
    expect(backend.memory().usedBytes).toBe(before);
  });
});

describe('alternate', () => {
  const { signal } = new AbortController();

  it('warms each up, then runs them in turn, and leaves out who fails', async () => {
    const order: string[] = [];
    const contestant = (name: string, failsAt = Number.POSITIVE_INFINITY) => {
      let count = 0;
      const run = async () => {
        order.push(name);
        count += 1;
        if (count === failsAt) throw new Error('enough');
      };
      return { run, settleMs: 0 };
    };
    const shares: number[] = [];
    const timings = await alternate([contestant('a'), contestant('b', 5), contestant('c')], {
      signal,
      progress: (done) => shares.push(done),
    });
    // They are short: in each round one untimed run, then three timed ones.
    expect(order.join('')).toBe(`aaabbbcccaaaabbcccc${'aaaacccc'.repeat(8)}`);
    expect(shares).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((round) => round / 9));
    expect(timings[0]).toMatchObject({ runs: 27 });
    expect(timings[1]).toEqual(new Error('enough'));
  });

  it('stops when it is interrupted', async () => {
    const controller = new AbortController();
    const run = async () => controller.abort(new Error('interrupted'));
    const contest = alternate([{ run, settleMs: 0 }], { signal: controller.signal, progress: () => {} });
    await expect(contest).rejects.toThrow('interrupted');
  });
});

describe('difference', () => {
  it('measures by the size of what was expected', () => {
    const expected = Float32Array.of(3, -3, 3, -3);
    expect(relativeError(Float32Array.of(3, -3, 3, 0), expected)).toBeCloseTo(0.5);
    expect(largestDifference(Float32Array.of(3, -3, 3, 0), expected)).toBeCloseTo(1);
    expect(largestDifference(expected.with(1, Number.NaN), expected)).toBeNaN();
    expect(largestDifference(expected.subarray(1), expected)).toBe(Number.POSITIVE_INFINITY);
  });
});
