// The peers of the benchmark against a plain float64 computation: a benchmark of a wrong graph would be worth nothing.

import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { provider } from '@flashmla/kernels-cpu';
import { loadModel, readModel } from '@flashmla/model-swap';
import { randomNormal, randomSource } from '@flashmla/tensor';
import {
  attentionModel,
  encoderModel,
  type LayerWeights,
  type LinearWeights,
  ModelWorkloads,
  type NormWeights,
  type PeerName,
  randomLayer,
} from '@flashmla/workloads';
import { describe, expect, it } from 'vitest';
import { filesOf, tinyBert, tinyDistilbert, tinyRoberta } from '../../model-swap/test/support/tiny-models.ts';
import { openPeer, type PeerOptions } from '../src/bench/peers/open-peer.ts';
import { TimeLimitError } from '../src/bench/time-limit.ts';
import { peerScript, slow, useFolder } from './support/cli.ts';

const tolerance = 1e-4;
const cpuInfo = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
/** Without VNNI onnxruntime adds two products of 8 bits in 16, which may saturate: 1.34 away from ours on AVX2. */
const saturates = process.arch === 'x64' && /\bavx2\b/.test(cpuInfo) && !/vnni/.test(cpuInfo);
const threads = 2;
const batch = 2;
const tokens = 19;
const heads = 3;
const headDim = 8;
const modelDim = heads * headDim;
const intermediateDim = 40;
const epsilon = 1e-5;
const sizes = { modelDim, intermediateDim };
const folder = useFolder();

/** Opens a peer, gives its output and closes it. */
async function outputOf(peer: PeerName, bytes: Uint8Array, inputs: PeerOptions['inputs']): Promise<Float32Array> {
  const model = await open(peer, bytes, { inputs });
  try {
    return await model.output('output');
  } finally {
    model.dispose();
  }
}

let files = 0;

async function open(peer: PeerName, bytes: Uint8Array, options: Partial<PeerOptions> = {}) {
  const file = join(folder.path(), `${files++}.onnx`);
  await writeFile(file, bytes);
  const { signal } = new AbortController();
  return openPeer(peer, file, { inputs: {}, threads, limitMs: 60_000, signal, script: peerScript, ...options });
}

for (const peer of ['onnxruntime-web', 'onnxruntime-node'] satisfies PeerName[]) {
  const missing = isInstalled(peer) ? '' : ` (skipped: ${peer} is not installed)`;
  describe.skipIf(missing)(`${peer}${missing}`, slow, () => {
    for (const fused of [false, true]) {
      const graph = fused ? 'fused' : 'plain';

      it(`computes attention, ${graph} graph`, async () => {
        const [query, key, value] = [1, 2, 3].map((seed) => normal(batch * heads * tokens * headDim, seed));
        const shape = [batch, heads, tokens, headDim];
        const output = await outputOf(peer, attentionModel({ heads, headDim, fused }), {
          query: { data: query!, shape },
          key: { data: key!, shape },
          value: { data: value!, shape },
        });
        expect(largestDifference(output, attention(query!, key!, value!))).toBeLessThan(tolerance);
      });

      it.each([
        { precision: 'float32', tolerance },
        // Two layers of 8 bits; what is wrong differs by 4 and more.
        { precision: 'int8', tolerance: saturates ? 2 : 0.5 },
      ] as const)(
        `computes a stack of encoder layers, ${graph} graph, $precision`,
        async ({ precision, tolerance }) => {
          const layers = [randomLayer(sizes, 10), randomLayer(sizes, 20)];
          const hidden = normal(batch * tokens * modelDim, 4);
          const bytes = encoderModel({ layers, heads, epsilon, fused, batch, tokens, precision });
          const output = await outputOf(peer, bytes, { hidden: { data: hidden, shape: [batch, tokens, modelDim] } });
          const expected = layers.reduce<ArrayLike<number>>((input, weights) => encoderLayer(input, weights), hidden);
          expect(largestDifference(output, expected)).toBeLessThan(tolerance);
        },
      );
    }

    it('takes a scale other than 1/√headDim', async () => {
      const [query, key, value] = [1, 2, 3].map((seed) => normal(batch * heads * tokens * headDim, seed));
      const bytes = attentionModel({ heads, headDim, batch, tokens, scale: 1 });
      const shape = [batch, heads, tokens, headDim];
      const output = await outputOf(peer, bytes, {
        query: { data: query!, shape },
        key: { data: key!, shape },
        value: { data: value!, shape },
      });
      expect(largestDifference(output, attention(query!, key!, value!, 1))).toBeLessThan(tolerance);
    });

    it.each([
      ['BERT', tinyBert],
      ['RoBERTa', tinyRoberta],
      ['DistilBERT', tinyDistilbert],
    ])('computes a whole %s as this project does', async (_, make) => {
      const files = filesOf(make());
      await using backend = await provider.open({ threads: 1 });
      await using loaded = await loadModel(files, { backend });
      const workloads = new ModelWorkloads(loaded, await readModel(files));
      const { own, peerGraphs, peerInputs, peerOutputs } = workloads.workloadOf(17, 4, 2);
      const expected = await own['flashmla-dense'].output(new AbortController().signal);
      const { logits } = await loaded.run(workloads.texts(17, 2), { attention: (layer) => layer.dense });
      for (const graph of peerGraphs('float32')) {
        const model = await open(peer, graph.bytes(), { inputs: peerInputs });
        expect(largestDifference(await model.output(peerOutputs.compared), expected)).toBeLessThan(tolerance);
        expect(largestDifference(await model.output(peerOutputs.timed), logits!.array as Float32Array)).toBeLessThan(
          tolerance,
        );
        model.dispose();
      }
    });

    it('turns its failures into errors that carry its message', async () => {
      await expect(open(peer, Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
        name: 'FlashMLAError',
        code: 'backend-failed',
        message: expect.stringMatching(new RegExp(`^\\[flashmla\\] ${peer} could not load the model: .*protobuf`, 'i')),
      });
      const wrong = { data: new Float32Array(headDim), shape: [1, 1, 1, headDim] };
      const inputs = { query: wrong, key: wrong, value: wrong };
      const model = await open(peer, attentionModel({ heads, headDim, batch, tokens }), { inputs });
      await expect(model.run('output')).rejects.toMatchObject({
        code: 'backend-failed',
        message: expect.stringMatching(/[\d.]+ could not run the model: .*dimension/i),
      });
    });
  });
}

describe('openPeer', slow, () => {
  it('names the package to install', async () => {
    const name = 'onnxruntime-absent' as PeerName;
    await expect(open(name, new Uint8Array())).rejects.toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringContaining('npm install onnxruntime-absent'),
    });
  });

  it.skipIf(!isInstalled('onnxruntime-web'))('ends a peer that takes too long, or is no longer wanted', async () => {
    const shape = [1, 12, 2048, 64];
    const long = { data: new Float32Array(12 * 2048 * 64), shape };
    const inputs = { query: long, key: long, value: long };
    const bytes = attentionModel({ heads: 12, headDim: 64 });
    const model = await open('onnxruntime-web', bytes, { inputs });
    await expect(model.run('output')).resolves.toBeGreaterThan(20);
    model.dispose();
    const controller = new AbortController();
    const stopped = await open('onnxruntime-web', bytes, { inputs, signal: controller.signal });
    const run = stopped.run('output');
    controller.abort(new Error('interrupted'));
    await expect(run).rejects.toThrow('interrupted');
    await expect(open('onnxruntime-web', bytes, { inputs, limitMs: 5 })).rejects.toBeInstanceOf(TimeLimitError);
  });
});

describe('encoderModel', () => {
  it('names the weight that does not fit', () => {
    const weights = randomLayer(sizes, 1);
    weights.contract.weight = weights.contract.weight.subarray(1);
    expect(() => encoderModel({ layers: [weights], heads })).toThrow(
      /layer\.0\.contract\.weight has 959 elements, 960 /,
    );
  });

  it('refuses no layers, and heads that do not divide modelDim', () => {
    expect(() => encoderModel({ layers: [], heads })).toThrow(/at least one layer/);
    expect(() => encoderModel({ layers: [randomLayer(sizes, 1)], heads: 5 })).toThrow(/multiple of heads/);
  });
});

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

// ---- The computation in float64 ------------------------------------------------------------------------------------

/** query, key, value and the result: [batch, heads, tokens, headDim]. */
function attention(
  query: ArrayLike<number>,
  key: ArrayLike<number>,
  value: ArrayLike<number>,
  scale = 1 / Math.sqrt(headDim),
): Float64Array {
  const output = new Float64Array(query.length);
  for (let head = 0; head < batch * heads; head++) {
    const base = head * tokens * headDim;
    for (let row = 0; row < tokens; row++) {
      const weights = Array.from({ length: tokens }, (_, column) => {
        let dot = 0;
        for (let d = 0; d < headDim; d++) dot += query[base + row * headDim + d]! * key[base + column * headDim + d]!;
        return Math.exp(dot * scale);
      });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const [column, weight] of weights.entries()) {
        for (let d = 0; d < headDim; d++) {
          output[base + row * headDim + d]! += (weight / total) * value[base + column * headDim + d]!;
        }
      }
    }
  }
  return output;
}

/** hidden and the result: [batch, tokens, modelDim]. */
function encoderLayer(hidden: ArrayLike<number>, weights: LayerWeights): Float64Array {
  const [query, key, value] = [weights.query, weights.key, weights.value].map((w) => toHeads(linear(hidden, w)));
  const attended = linear(fromHeads(attention(query!, key!, value!)), weights.output);
  const normed = layerNorm(sum(attended, hidden), weights.attentionNorm);
  const expanded = linear(normed, weights.intermediate).map((x) => 0.5 * x * (1 + erf(x / Math.SQRT2)));
  return layerNorm(sum(linear(expanded, weights.contract), normed), weights.outputNorm);
}

function linear(input: ArrayLike<number>, { weight, bias }: LinearWeights): Float64Array {
  const outputs = bias.length;
  const inputs = weight.length / outputs;
  return Float64Array.from({ length: (input.length / inputs) * outputs }, (_, index) => {
    const row = Math.floor(index / outputs);
    const column = index % outputs;
    let dot = bias[column]!;
    for (let i = 0; i < inputs; i++) dot += input[row * inputs + i]! * weight[column * inputs + i]!;
    return dot;
  });
}

function layerNorm(input: Float64Array, { weight, bias }: NormWeights): Float64Array {
  const output = new Float64Array(input.length);
  for (let start = 0; start < input.length; start += modelDim) {
    const row = input.subarray(start, start + modelDim);
    const mean = row.reduce((total, x) => total + x, 0) / modelDim;
    const variance = row.reduce((total, x) => total + (x - mean) ** 2, 0) / modelDim;
    for (let i = 0; i < modelDim; i++) {
      output[start + i] = ((row[i]! - mean) / Math.sqrt(variance + epsilon)) * weight[i]! + bias[i]!;
    }
  }
  return output;
}

function sum(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return Float64Array.from(a, (x, index) => x + b[index]!);
}

/** [batch, tokens, heads, headDim] → [batch, heads, tokens, headDim]. */
function toHeads(input: Float64Array): Float64Array {
  return swapMiddle(input, tokens, heads);
}

/** [batch, heads, tokens, headDim] → [batch, tokens, heads, headDim]. */
function fromHeads(input: Float64Array): Float64Array {
  return swapMiddle(input, heads, tokens);
}

function swapMiddle(input: Float64Array, outer: number, inner: number): Float64Array {
  const output = new Float64Array(input.length);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < inner; j++) {
        const from = ((b * outer + i) * inner + j) * headDim;
        const to = ((b * inner + j) * outer + i) * headDim;
        output.set(input.subarray(from, from + headDim), to);
      }
    }
  }
  return output;
}

/** erf by its Maclaurin series: exact to float64 for the |x| < 4 that occur here. */
function erf(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

// ---- Data ----------------------------------------------------------------------------------------------------------

function normal(length: number, seed: number): Float32Array {
  return randomNormal(length, randomSource(1e6 * seed));
}

function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(expected).reduce((worst, x, index) => Math.max(worst, Math.abs(actual[index]! - x)), 0);
}
