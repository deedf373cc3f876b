// Dense against sparse attention, gate included, on synthetic inputs: what the crossover is decided by.

import { measured } from '@flashmla/backend';
import type { Gate } from '@flashmla/gating';
import { type Backend, breather, castTo, type FloatDType, randomSource, tensor } from '@flashmla/tensor';
import type { AttentionStep } from './projected-attention.ts';
import { runDense, runGated } from './run-attention.ts';
import { Scope } from './scope.ts';

export interface Contest {
  readonly backend: Backend;
  readonly heads: number;
  readonly headDim: number;
  readonly dtype: FloatDType;
  /** Keys a query selects, at every size measured. */
  readonly k: number;
  readonly gate: Gate;
  /** What the cost of gates like this one depends on, for the cache. */
  readonly gateKind: string;
  /** Another such gate: where `gate` is not fitted yet it stands in for it, and is fitted to synthetic inputs. */
  readonly standIn: () => Gate;
}

export interface Timing {
  readonly denseMs: number;
  readonly sparseMs: number;
}

const fewestRounds = 4;
/** Short runs are repeated for this long: their times scatter more. */
const leastMs = 40;
/** Length of the input that a stand-in gate is fitted to. */
const fitTokens = 128;

/** What dense and sparse attention take at so many tokens; measured once per device, shape, k and kind of gate. */
export function timing(contest: Contest, tokens: number): Promise<Timing> {
  const { backend, heads, headDim, dtype, k, gateKind } = contest;
  const key = `attention tokens=${tokens} heads=${heads} headDim=${headDim} dtype=${dtype} k=${k} gate=${gateKind}`;
  return measured(backend, key, () => time(contest, tokens), isTiming);
}

/** The best of a few runs of each, alternated so that a busy moment of the machine hits both. */
async function time(contest: Contest, tokens: number): Promise<Timing> {
  const { backend, k, gate } = contest;
  const scope = new Scope(backend);
  try {
    const step = await syntheticStep(scope, contest, tokens);
    const contestant = gate.needsFit ? await fittedStandIn(scope, contest) : gate;
    const dense = async () => {
      const { output, lse } = await runDense(step);
      scope.release(output, lse);
    };
    const sparse = async () => {
      const { output, lse, selection } = await runGated(step, contestant, k);
      scope.release(output, lse, selection);
    };
    // Programs are prepared before the clock runs.
    await dense();
    await sparse();
    const best = { denseMs: Number.POSITIVE_INFINITY, sparseMs: Number.POSITIVE_INFINITY };
    const start = performance.now();
    for (let round = 0; round < fewestRounds || performance.now() - start < leastMs; round++) {
      best.denseMs = Math.min(best.denseMs, await elapsedMs(backend, dense));
      best.sparseMs = Math.min(best.sparseMs, await elapsedMs(backend, sparse));
    }
    return best;
  } finally {
    scope.dispose();
  }
}

/** A stand-in, fitted to a short input: how fast it selects is what counts here, not what. */
async function fittedStandIn(scope: Scope, contest: Contest): Promise<Gate> {
  const gate = scope.own(contest.standIn());
  const step = await syntheticStep(scope, contest, fitTokens);
  const { output, lse, selection } = await runGated(step, gate, contest.k);
  scope.release(output, lse, selection, step.hidden, step.query, step.key, step.value);
  return gate;
}

async function elapsedMs(backend: Backend, work: () => Promise<void>): Promise<number> {
  await backend.synchronize();
  const start = performance.now();
  await work();
  await backend.synchronize();
  return performance.now() - start;
}

/** One text of random queries, keys and values. They lie in clusters, as in real text, so that a gate takes the rank it takes there. */
async function syntheticStep(
  scope: Scope,
  { backend, heads, headDim, dtype }: Contest,
  tokens: number,
): Promise<AttentionStep> {
  const random = randomSource(tokens);
  const breathe = breather();
  const features = heads * headDim;
  const centres = Float32Array.from({ length: 12 * features }, () => 3 * random() - 1.5);
  const upload = async (...shape: number[]) => {
    await breathe();
    const values = new Float32Array(tokens * features);
    for (let token = 0; token < tokens; token++) {
      const centre = Math.floor(12 * random()) * features;
      for (let i = 0; i < features; i++) values[token * features + i] = centres[centre + i]! + random() - 0.5;
    }
    return scope.device(castTo(tensor(values, shape), dtype));
  };
  return {
    backend,
    scope,
    hidden: await upload(1, tokens, heads * headDim),
    query: await upload(1, tokens, heads, headDim),
    key: await upload(1, tokens, heads, headDim),
    value: await upload(1, tokens, heads, headDim),
    keyMask: undefined,
    dimensions: {
      batch: 1,
      heads,
      queries: tokens,
      keys: tokens,
      headDim,
      layout: 'tokens-first',
      scale: 1 / Math.sqrt(headDim),
      mask: false,
      causal: false,
      dtype,
    },
    signal: undefined,
  };
}

function isTiming(value: unknown): value is Timing {
  const { denseMs, sparseMs } = (value ?? {}) as Partial<Timing>;
  return typeof denseMs === 'number' && typeof sparseMs === 'number' && denseMs > 0 && sparseMs > 0;
}
