// How each kind of gate learns: what a head starts from, what a text is to it, and what its heads make together.

import { type Backend, type HostTensor, tensor } from '@flashmla/tensor';
import { BlockGate } from '../block-gate.ts';
import { ContentGate } from '../content-gate.ts';
import type { GateState, LearnableGate } from '../gate.ts';
import { joinHeads } from '../gate-space.ts';
import { solveHead } from '../head-solution.ts';
import type { LayerDimensions, LayerSample } from '../measure-gate.ts';
import { centred, MomentSum } from '../moments.ts';
import { randomSlotWeights, type SlotGate } from '../slot-gate.ts';
import { type BlockExample, BlockLearner, blockExample } from './block-learner.ts';
import { type ContentExample, ContentLearner, contentExample } from './content-learner.ts';
import { type HeadLearner, range } from './head-learner.ts';
import { headInputs, rowsOf } from './layer-sample.ts';
import { type SlotExample, SlotLearner, slotExample } from './slot-learner.ts';

export interface GateLearning<Example> {
  /** The head, starting from what the gate has. */
  learner(head: number): HeadLearner<Example>;
  example(sample: LayerSample, head: number): Promise<Example>;
  /** What heads of such parameters make together. */
  state(heads: readonly Float64Array[]): GateState;
}

export interface LearningContext extends LayerDimensions {
  readonly backend: Backend;
  /** Keys that a query of a text of so many tokens selects. */
  readonly k: (tokens: number) => number;
  readonly seed: number;
  readonly breathe: () => Promise<void>;
}

/** Dimensions of a BlockGate that starts without weights. */
const blockRank = 16;
/** Blocks on either side whose distance has a bias of its own. */
const biasSpan = 32;

/** @param samples what it learns from: a gate without weights starts from them */
export async function learningOf(
  gate: LearnableGate,
  samples: readonly LayerSample[],
  context: LearningContext,
): Promise<GateLearning<unknown>> {
  if (gate instanceof ContentGate) return contentLearning(gate, samples, context);
  if (gate instanceof BlockGate) return blockLearning(gate, samples, context);
  return slotLearning(gate as SlotGate, samples, context);
}

async function contentLearning(
  gate: ContentGate,
  samples: readonly LayerSample[],
  { backend, heads, headDim, k }: LearningContext,
): Promise<GateLearning<ContentExample>> {
  if (!gate.fitted) await gate.fit(samples, { heads, headDim }, { k: gate.k });
  const { queryMap, keyMap, ranks } = gate.state();
  const width = queryMap.shape[2];
  return {
    learner(head) {
      const rank = ranks[head];
      const start = new Float64Array(2 * headDim * rank);
      for (const [half, map] of [queryMap, keyMap].entries()) {
        for (let row = 0; row < headDim; row++) {
          const from = (head * headDim + row) * width;
          start.set(map.array.subarray(from, from + rank) as Float32Array, (half * headDim + row) * rank);
        }
      }
      return new ContentLearner(start, headDim);
    },
    example: (sample, head) =>
      contentExample(backend, headInputs(sample, { heads, headDim }, head), rowsOf(sample), k(sample.tokens)),
    state(parameters) {
      const maps = parameters.map((both, head) => {
        const half = both.length / 2;
        return { width: ranks[head], queryMap: both.subarray(0, half), keyMap: both.subarray(half), rank: ranks[head] };
      });
      const space = joinHeads(headDim, maps);
      return { gate: 'content', queryMap: space.queryMap, keyMap: space.keyMap, ranks };
    },
  };
}

async function blockLearning(
  gate: BlockGate,
  samples: readonly LayerSample[],
  { backend, heads, headDim, k, breathe }: LearningContext,
): Promise<GateLearning<BlockExample>> {
  const example = (sample: LayerSample, head: number) =>
    blockExample(backend, headInputs(sample, { heads, headDim }, head), gate.block, gate.slotsFor(k(sample.tokens)));
  const state = gate.fitted ? gate.state() : undefined;
  const rank = state ? state.query.shape[2] : Math.min(blockRank, headDim);
  const span = state?.relativeBias ? (state.relativeBias.shape[1] - 1) / 2 : biasSpan;
  const sizes = { query: headDim * rank, key: 3 * headDim * rank, bias: 2 * span + 1 };
  const starts: Float64Array[] = [];
  for (const head of range(heads)) {
    const start = new Float64Array(sizes.query + sizes.key + sizes.bias);
    starts.push(start);
    if (state) {
      const partOf = (source: typeof state.query, size: number) =>
        source.array.subarray(head * size, (head + 1) * size) as Float32Array;
      start.set(partOf(state.query, sizes.query));
      start.set(partOf(state.key, sizes.key), sizes.query);
      if (state.relativeBias) start.set(partOf(state.relativeBias, sizes.bias), sizes.query + sizes.key);
      continue;
    }
    // Mean query against mean key, as well as `rank` dimensions do: the closed form of a ContentGate, on blocks.
    const moments = { query: new MomentSum(headDim), key: new MomentSum(headDim) };
    let count = 0;
    for (const sample of samples) {
      const { tiles, blocks } = await example(sample, head);
      const means = new Float64Array(tiles.length);
      for (let i = 0; i < means.length; i++) {
        means[i] = blocks[Math.floor(i / headDim) * 3 * headDim + 2 * headDim + (i % headDim)];
      }
      moments.query.add(tiles);
      moments.key.add(centred(means, headDim));
      count += tiles.length / headDim;
      await breathe();
    }
    const both = { query: moments.query.matrix(count), key: moments.key.matrix(count) };
    const { queryMap, keyMap } = await solveHead(both, rank, breathe);
    start.set(queryMap.map((value) => value / Math.sqrt(headDim)));
    start.set(keyMap, sizes.query + 2 * headDim * rank);
  }
  return {
    learner: (head) => new BlockLearner(starts[head], headDim, rank),
    example,
    state(parameters) {
      const join = (from: number, size: number, ...shape: number[]) =>
        joinParts(parameters, from, from + size, [heads, ...shape]);
      return {
        gate: 'block',
        block: gate.block,
        query: join(0, sizes.query, headDim, rank),
        key: join(sizes.query, sizes.key, 3 * headDim, rank),
        relativeBias: join(sizes.query + sizes.key, sizes.bias, sizes.bias),
      };
    },
  };
}

async function slotLearning(
  gate: SlotGate,
  samples: readonly LayerSample[],
  { backend, heads, headDim, k, seed }: LearningContext,
): Promise<GateLearning<SlotExample>> {
  const { slotCount } = gate;
  const { weight, bias } = gate.fitted
    ? gate.state()
    : randomSlotWeights(heads * slotCount, samples[0].hidden.length / samples[0].tokens, seed);
  const modelDim = weight.shape[1];
  const size = slotCount * modelDim;
  const hiddenOf = new WeakMap<LayerSample, Float64Array>(); // the same for all heads
  return {
    learner(head) {
      const start = new Float64Array(size + slotCount);
      start.set(weight.array.subarray(head * size, (head + 1) * size) as Float32Array);
      if (bias) start.set(bias.array.subarray(head * slotCount, (head + 1) * slotCount) as Float32Array, size);
      return new SlotLearner(start, modelDim);
    },
    example(sample, head) {
      const wide = hiddenOf.get(sample) ?? Float64Array.from(sample.hidden);
      hiddenOf.set(sample, wide);
      const inputs = headInputs(sample, { heads, headDim }, head);
      return slotExample(backend, inputs, wide, rowsOf(sample), k(sample.tokens));
    },
    state(parameters) {
      return {
        gate: 'slot',
        slotCount,
        weight: joinParts(parameters, 0, size, [heads * slotCount, modelDim]),
        bias: joinParts(parameters, size, size + slotCount, [heads * slotCount]),
      };
    },
  };
}

/** The numbers `from` to `to` of each head, one head after the other. */
function joinParts(heads: readonly Float64Array[], from: number, to: number, shape: readonly number[]): HostTensor {
  const joined = new Float32Array(heads.length * (to - from));
  for (const [head, own] of heads.entries()) joined.set(own.subarray(from, to), head * (to - from));
  return tensor(joined, shape);
}
