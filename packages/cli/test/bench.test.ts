import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { provider } from '@flashmla/kernels-cpu';
import type { Backend } from '@flashmla/tensor';
import {
  attentionWorkloads,
  EncoderWorkloads,
  largestDifference,
  parseResults,
  type ResultsFile,
  relativeError,
  type Workload,
} from '@flashmla/workloads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alternate } from '../src/bench/alternate.ts';
import { type CompareOptions, compare } from '../src/bench/compare.ts';
import { measure } from '../src/bench/measure.ts';
import { GraphFiles } from '../src/bench/peers/graph-files.ts';
import { TimeLimitError, withinLimit } from '../src/bench/time-limit.ts';
import { ProgressLine } from '../src/progress.ts';
import { failureOf, flashmla, flashmlaJson, model, peerScript, slow, useFolder } from './support/cli.ts';

const folder = useFolder();
const floats = ['flashmla-sparse', 'flashmla-dense', 'onnxruntime-web', 'onnxruntime-node'];
const all = [...floats.map((name) => `${name} float32`), 'onnxruntime-web int8', 'onnxruntime-node int8'];

describe('flashmla bench', slow, () => {
  it.each([
    { subject: 'attention', batch: '1', lengths: '24,48', peers: 'ort-web,ort-node' },
    { subject: 'layer', batch: '2', lengths: '48', peers: 'ort-web,ort-node,ort-web-int8,ort-node-int8' },
    { subject: 'model', batch: '2', lengths: '48', peers: 'ort-web,ort-node,ort-web-int8,ort-node-int8' },
  ])('times all implementations of $subject side by side', async ({ subject, batch, lengths, peers }) => {
    const sizes = ['--tokens', lengths, '--batch', batch, '--k', '16', '--threads', '1'];
    const { machine, results } = await flashmlaJson<ResultsFile>(
      ...['bench', subject, ...sizes, '--peers', peers, '--model', model, '--backend', 'cpu'],
    );
    expect(machine).toMatchObject({ node: process.version, threads: 1, backend: 'cpu' });
    expect(Object.keys(machine.versions)).toEqual(['flashmla', 'v8', 'onnxruntime-web', 'onnxruntime-node']);
    const wanted = subject === 'attention' ? all.slice(0, 4) : all;
    expect(results.map((row) => `${row.implementation} ${row.precision} ${row.batch} ${row.tokens}`)).toEqual(
      lengths.split(',').flatMap((tokens) => wanted.map((who) => `${who} ${batch} ${tokens}`)),
    );
    for (const row of results) {
      expect(row).toMatchObject({ outcome: 'timed' });
      expect(row.runs).toBeGreaterThanOrEqual(5);
      expect(row.minMs).toBeGreaterThan(0);
      expect(row.medianMs).toBeGreaterThanOrEqual(row.minMs!);
      expect(row.maxMs).toBeGreaterThanOrEqual(row.medianMs!);
      const isPeer = row.implementation.startsWith('onnxruntime');
      expect(row.peakBytes === null).toBe(isPeer);
      expect(row.graph !== undefined).toBe(isPeer);
      expect(row.difference !== undefined).toBe(isPeer);
      expect(row.outputError !== undefined).toBe(row.implementation === 'flashmla-sparse');
      if (isPeer) expect(row.difference).toBeLessThan(row.precision === 'int8' ? 1 : 1e-4);
    }
  });

  it('writes what it prints as JSON, with the command', async () => {
    const out = join(folder.path(), 'results.json');
    const args = ['attention', '--tokens', '32', '--attention', 'sparse', '--model', model];
    const { code } = await flashmla('bench', ...args, '--out', out);
    expect(code).toBe(0);
    const { command, subject, dtype, results } = parseResults(await readFile(out, 'utf8'), out);
    expect({ command, subject, dtype }).toEqual({
      command: `flashmla bench ${args.join(' ')}`,
      subject: 'attention',
      dtype: 'float32',
    });
    expect(results.map(({ implementation, outcome }) => `${implementation} ${outcome}`)).toEqual([
      'flashmla-sparse timed',
    ]);
  });

  it('says what can not be measured', async () => {
    const attention = ['bench', 'attention', '--tokens', '32', '--model', model];
    expect(await failureOf(...attention, '--peers', 'ort-web-int8')).toMatch(/attention has no weights to quantize/);
    const sparsePeers = ['--attention', 'sparse', '--peers', 'ort-node'];
    expect(await failureOf(...attention, ...sparsePeers)).toMatch(/compared with dense; leave one out/);
    expect(await failureOf(...attention, '--batch', '2')).toMatch(/attention alone is measured with one text/);
    expect(await failureOf('bench', 'model', '--tokens', '9999', '--model', model)).toMatch(
      /9999 tokens .* at most \d+/,
    );
  });

  it('prints a table with the machine above it', async () => {
    const { stdout } = await flashmla('bench', 'attention', '--tokens', '32', '--model', model);
    expect(stdout).toMatch(/\d+ cores, [\d.]+ GiB, .* Node v/);
    expect(stdout).toMatch(/tokens +implementation +precision +median/);
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

  const rowsOf = async (workload: Workload, own: Partial<CompareOptions> = {}) => {
    await using files = new GraphFiles();
    return await compare(workload, {
      ...{ backend, batch: 1, tokens, k: 8, threads: 1, limitMs: 60_000, dtype: 'float32', files, versions: {} },
      own: ['flashmla-sparse', 'flashmla-dense'],
      peers: [{ name: 'onnxruntime-node', precision: 'float32' }],
      signal: new AbortController().signal,
      progress: () => {},
      refuses: () => undefined,
      script: peerScript,
      ...own,
    });
  };

  it('does not time a peer that computes something else', async () => {
    const workload = attentionWorkloads(backend, geometry)(tokens, 8);
    const { query, value } = workload.peerInputs as Record<'query' | 'value', Workload['peerInputs'][string]>;
    const rows = await rowsOf({ ...workload, peerInputs: { query, key: value, value } });
    workload.dispose();
    expect(rows.at(-1)).toMatchObject({ implementation: 'onnxruntime-node', outcome: 'different', medianMs: null });
    expect(rows.at(-1)!.error).toMatch(/float32, differs from flashmla-dense by [\d.]+ of its scale/);
    expect(rows[0]!.runs).toBe(27);
  });

  it('goes on when one of them fails, and gives all memory back', async () => {
    const before = backend.memory().usedBytes;
    const encoder = new EncoderWorkloads(backend, geometry);
    const workload = encoder.workloadOf(tokens, 8);
    const fail = () => Promise.reject(new Error('out of memory:\n  far too long'));
    const own = { ...workload.own, 'flashmla-dense': { run: fail, output: fail } };
    const rows = await rowsOf({ ...workload, own });
    workload.dispose();
    encoder.dispose();
    expect(rows[1]).toMatchObject({
      implementation: 'flashmla-dense',
      outcome: 'failed',
      medianMs: null,
      peakBytes: null,
    });
    expect(rows[1]!.error).toContain('out of memory: far too long');
    expect(rows[0]).toMatchObject({ runs: 27 });
    expect(rows[0]!.outputError).toBeUndefined();
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('records who took too long, ours and peers, and does not try them at longer texts', async () => {
    const signal = new AbortController().signal;
    const long = attentionWorkloads(backend, { ...geometry, heads: 12, headDim: 64 });
    const subject = { geometry, model: 'noise', workloadOf: long, async [Symbol.asyncDispose]() {} };
    const { results } = await measure(
      subject,
      {
        ...{ backend, batches: [1], lengths: [4096, 8192], k: 8, threads: 1, dtype: 'float32', limitMs: 100, signal },
        own: ['flashmla-sparse', 'flashmla-dense'],
        peers: [{ name: 'onnxruntime-node', precision: 'float32' }],
        progress: new ProgressLine(process.stderr),
        script: peerScript,
      },
      async () => {},
    );
    const outcomes = results.map(({ implementation, outcome, tokens }) => `${implementation} ${tokens} ${outcome}`);
    expect(outcomes).toContain('flashmla-dense 4096 time-limit');
    expect(outcomes).toContain('onnxruntime-node 4096 time-limit');
    expect(results.find(({ outcome }) => outcome === 'time-limit')!.error).toMatch(
      /longer than the 0\.[12] s of --limit/,
    );
    const later = results.filter((row) => row.tokens === 8192 && row.implementation !== 'flashmla-sparse');
    for (const { outcome, error } of later) {
      expect({ outcome, error }).toEqual({
        outcome: 'time-limit',
        error: '[flashmla] not run: it failed at 4096 tokens already, see there',
      });
    }
  });
});

describe('withinLimit', () => {
  it('ends work at the limit, and passes on what ends it before', async () => {
    const never = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    await expect(withinLimit(5, new AbortController().signal, never)).rejects.toBeInstanceOf(TimeLimitError);
    const interrupted = AbortSignal.abort(new Error('interrupted'));
    await expect(withinLimit(60_000, interrupted, async (signal) => signal.throwIfAborted())).rejects.toThrow(
      'interrupted',
    );
    await expect(withinLimit(60_000, new AbortController().signal, async () => 7)).resolves.toBe(7);
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
        return 1;
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

  it('takes what ran before for warm-up, and leaves out repetitions where a run is long', async () => {
    const order: string[] = [];
    const contestant = (name: string, ms: number) => ({
      async run() {
        order.push(name);
        return ms;
      },
      settleMs: 0,
      untimedMs: [ms],
    });
    const timings = await alternate([contestant('a', 4000), contestant('b', 300)], { signal, progress: () => {} });
    expect(order.join('')).toBe(`bb${'ab'.repeat(3)}`);
    expect(timings[0]).toEqual({ medianMs: 4000, minMs: 4000, maxMs: 4000, runs: 3 });
  });

  it('stops when it is interrupted', async () => {
    const controller = new AbortController();
    const run = async () => {
      controller.abort(new Error('interrupted'));
      return 1;
    };
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
