// What running a model will take, before anything is allocated.

import { FlashMLAAttention } from '@flashmla/attention';
import { checkComputes } from '@flashmla/backend';
import { ContentGate, type ContentGateState, type ContentShape } from '@flashmla/gating';
import {
  type Backend,
  FlashMLAError,
  floatsOf,
  type Precision,
  type Problem,
  problemKey,
  tensor,
} from '@flashmla/tensor';
import { type Architecture, mapNeeds, presentNeeds } from './architecture.ts';
import { DryRun } from './dry-run.ts';
import { Encoder } from './encoder.ts';
import { architectureOf } from './families/index.ts';
import { type ModelSource, openFolder } from './files/model-folder.ts';
import { requireJson } from './files/text-file.ts';
import { Workspace } from './workspace.ts';

export interface PlanOptions {
  /** Of each text, special ones included. */
  tokens: number;
  /** Texts that run together; default 1. */
  batch?: number;
  /** Keys a query selects; default: by length, see `recommendK`. */
  k?: number;
  /** What it would run on; nothing is allocated there. */
  backend: Backend;
  /** Of weights and activations; default 'float32'. */
  dtype?: Precision;
}

export interface ModelPlan {
  /** Tokens that would run: those asked for, or the most that the model takes. */
  readonly tokens: number;
  /** Most device memory held at once with sparse attention, weights included. */
  readonly bytes: number;
  /** The same with this package's dense attention, which keeps no queries × keys scores. */
  readonly denseBytes: number;
  /** Of which weights. */
  readonly weightBytes: number;
  /** Floating-point operations of one run, a multiply-add counted 2. */
  readonly flops: number;
  readonly denseFlops: number;
}

/**
 * What running a model would take, from its config.json alone.
 *
 * @param source as for loadModel; no weights are read
 */
export async function planModel(
  source: ModelSource,
  { signal, ...options }: PlanOptions & { signal?: AbortSignal },
): Promise<ModelPlan> {
  return planArchitecture(await readArchitecture(source, signal), options);
}

/**
 * The problems that running a model would dispatch, with dense attention and with sparse, each once: what to tune a backend
 * by.
 *
 * @param source as for loadModel; no weights are read
 */
export async function problemsOf(
  source: ModelSource,
  { signal, ...options }: PlanOptions & { signal?: AbortSignal },
): Promise<Problem[]> {
  const { dense, lists, blocks } = await dryRuns(await readArchitecture(source, signal), options);
  const all = [dense, lists, blocks].flatMap(({ problems }) => problems);
  return [...new Map(all.map((problem) => [problemKey(problem), problem])).values()];
}

async function readArchitecture(source: ModelSource, signal: AbortSignal | undefined): Promise<Architecture> {
  const folder = openFolder(source, signal);
  return architectureOf(await requireJson(folder, 'config.json', 'give a Hugging Face model folder.'));
}

/** What running a model of this architecture would take. */
export async function planArchitecture(architecture: Architecture, options: PlanOptions): Promise<ModelPlan> {
  const { tokens, dense, lists, blocks } = await dryRuns(architecture, options);
  return {
    tokens,
    bytes: Math.max(lists.peakBytes, blocks.peakBytes),
    denseBytes: dense.peakBytes,
    weightBytes: dense.weightBytes,
    flops: Math.max(lists.flops, blocks.flops),
    denseFlops: dense.flops,
  };
}

/** Dense attention, and sparse of both shapes: which of them a gate takes is measured when it runs. */
async function dryRuns(architecture: Architecture, options: PlanOptions) {
  const { tokens: wanted, batch = 1, k, backend, dtype = 'float32' } = options;
  for (const [name, value] of Object.entries({ tokens: wanted, batch })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new FlashMLAError('invalid-argument', `[model-swap] ${name} is ${value}; expected a whole number ≥ 1.`);
    }
  }
  await checkComputes(backend, dtype);
  const sizes = { tokens: Math.min(wanted, architecture.maxTokens), batch, k, dtype };
  return {
    tokens: sizes.tokens,
    dense: await count(architecture, backend, sizes),
    lists: await count(architecture, backend, sizes, 'lists'),
    blocks: await count(architecture, backend, sizes, 'blocks'),
  };
}

/** Runs the model dry: with dense attention, or sparse with content gates of this shape. */
async function count(
  architecture: Architecture,
  backend: Backend,
  { tokens, batch, k, dtype }: { tokens: number; batch: number; k: number | undefined; dtype: Precision },
  shape?: ContentShape,
) {
  const dry = new DryRun(backend);
  const parts = mapNeeds(
    presentNeeds(architecture, () => true),
    (need) => dry.hold(need.shape, floatsOf(dtype), need.linear && dtype === 'int8' ? dtype : undefined),
  );
  const weightBytes = dry.memory().usedBytes;
  const encoder = new Encoder({ backend: dry, architecture, gates: new Map() }, parts);
  if (shape) {
    for (const layer of encoder.layer) {
      const gate = new ContentGate({ shape });
      gate.load(typicalState(architecture));
      const { modelDim: dim, heads } = architecture;
      layer.attention = new FlashMLAAttention({ dim, heads, gate, crossover: 0, ...(k !== undefined && { k }) });
    }
  }
  const text = { ids: new Int32Array(tokens), types: new Int32Array(tokens), truncated: false };
  await encoder.forward(
    new Workspace(dry),
    Array.from({ length: batch }, () => text),
    { masksOf: () => [0] },
  );
  return { peakBytes: dry.memory().peakBytes, weightBytes, flops: dry.flops, problems: dry.problems };
}

/** Dimensions a head that gates typically need; what they hold does not matter here. */
const TYPICAL_RANK = 8;

function typicalState({ heads, headDim }: Architecture): ContentGateState {
  const rank = Math.min(TYPICAL_RANK, headDim);
  const map = () => tensor(new Float32Array(heads * headDim * rank), [heads, headDim, rank]);
  return { gate: 'content', queryMap: map(), keyMap: map(), ranks: new Array<number>(heads).fill(rank) };
}
