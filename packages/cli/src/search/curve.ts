// From measured choices to points of accuracy against latency: what both methods find under each budget, dense attention and
// the same number of keys everywhere beside it.

import {
  type AttentionSearch,
  type ChosenAttention,
  denseAttention,
  type EncoderModel,
  type FoundAttention,
  measureLatencies,
  type SearchMethod,
  searchMethods,
} from '@flashmla/model-swap';
import type { Context } from '../command.ts';
import { badInput } from '../errors.ts';
import { formatMs } from '../output.ts';
import type { Judge, Judgement } from './judge.ts';

/** A precision: its choices, and what it moves answers by itself. */
export interface Precisions {
  readonly search: AttentionSearch;
  readonly dtypeError: number;
}

/** What a method found under a budget, in the precision where it found the least error. */
export interface MethodResult {
  readonly method: SearchMethod;
  readonly budgetMs: number;
  readonly model: EncoderModel;
  readonly found: FoundAttention;
  /** Of attention and precision together. */
  readonly predictedError: number;
  readonly elapsedMs: number;
}

export interface Point extends Judgement {
  readonly kind: 'dense' | 'uniform' | 'searched';
  readonly model: EncoderModel;
  readonly attention: ChosenAttention;
  readonly latencyMs: number;
  /** Of uniform attention. */
  readonly k?: number;
  /** Of what was found by a search. */
  readonly results?: readonly MethodResult[];
}

const uniformKeys = [16, 32, 64];

/** Raises unless some choice is fast enough. */
export function checkReached(precisions: readonly Precisions[], latencyMs: number): void {
  const least = Math.min(...precisions.map(({ search }) => search.leastMs));
  if (least <= latencyMs) return;
  const { search } = precisions[0]!;
  const { backend, dtype } = search.model;
  throw badInput(
    `--latency-ms is ${latencyMs}, and no choice is that fast: on ${backend.name} a text of this data takes ${formatMs(search.dense.ms)} with dense attention in ` +
      `${dtype}, and ${formatMs(least)} with the fastest choices. Give at least ${Math.ceil(10 * least) / 10}, a faster backend, or other --dtypes.`,
  );
}

/** The budgets of the curve, evenly from the fastest to dense, and the one that was asked for. */
export function budgetsOf(precisions: readonly Precisions[], latencyMs: number, points: number): number[] {
  const least = Math.min(...precisions.map(({ search }) => search.leastMs));
  const most = Math.max(least, precisions[0]!.search.dense.ms);
  // A thousandth more than least: sums in another order must not miss it.
  const even = Array.from({ length: points }, (_, i) => 1.001 * least + ((most - least) * i) / (points - 1));
  return [...new Set([...even, latencyMs])].sort((a, b) => a - b);
}

export async function findAll(
  precisions: readonly Precisions[],
  budgets: readonly number[],
  { signal, progress }: Context,
): Promise<MethodResult[]> {
  const results: MethodResult[] = [];
  progress.start('searching');
  for (const budgetMs of budgets) {
    for (const method of searchMethods) {
      const start = performance.now();
      let best: Omit<MethodResult, 'elapsedMs'> | undefined;
      for (const { search, dtypeError } of precisions) {
        if (search.leastMs > budgetMs) continue;
        const found = await search.find(method, budgetMs, signal);
        const predictedError = found.predictedError + dtypeError;
        if (best && best.predictedError <= predictedError) continue;
        best = { method, budgetMs, model: search.model, found, predictedError };
      }
      results.push({ ...best!, elapsedMs: performance.now() - start });
      progress.update(results.length / (budgets.length * searchMethods.length));
    }
  }
  progress.stop();
  return results;
}

/** The method with the smaller predicted error; 'tie' where they are as good. */
export function winnerOf(results: readonly MethodResult[], budgetMs: number): SearchMethod | 'tie' {
  const [a, b] = results.filter((one) => one.budgetMs === budgetMs) as [MethodResult, MethodResult];
  const difference = a.predictedError - b.predictedError;
  // What is summed in another order is not better.
  if (Math.abs(difference) <= 1e-9 * Math.max(a.predictedError, b.predictedError)) return 'tie';
  return difference < 0 ? a.method : b.method;
}

/** Each different attention once, measured: its latency in turn with all others, then its answers. */
export async function measurePoints(
  precisions: readonly Precisions[],
  results: readonly MethodResult[],
  judge: Judge,
  { signal, progress }: Context,
): Promise<Point[]> {
  type Candidate = Pick<Point, 'kind' | 'model' | 'attention' | 'k' | 'results'>;
  const candidates: Candidate[] = precisions.flatMap(({ search }) => [
    { kind: 'dense' as const, model: search.model, attention: denseAttention(search.model) },
    ...uniformKeys.flatMap((k) => {
      const attention = search.uniform(k);
      return attention ? [{ kind: 'uniform' as const, model: search.model, attention, k }] : [];
    }),
  ]);
  const byKey = new Map<string, MethodResult[]>();
  for (const result of results) {
    const key = keyOf(result.model, result.found.attention);
    byKey.set(key, [...(byKey.get(key) ?? []), result]);
  }
  for (const [key, same] of byKey) {
    const { model, found } = same[0]!;
    // What is dense everywhere is that point, and not timed again.
    const known = candidates.findIndex((one) => keyOf(one.model, one.attention) === key);
    if (known >= 0) candidates[known] = { ...candidates[known]!, results: same };
    else candidates.push({ kind: 'searched', model, attention: found.attention, results: same });
  }
  progress.start('timing whole models');
  const latencies = await measureLatencies(candidates, precisions[0]!.search.groups, {
    signal,
    progress: (done) => progress.update(done),
  });
  const points: Point[] = [];
  progress.start('accuracy');
  for (const [i, candidate] of candidates.entries()) {
    const judgement = await judge.judge(candidate.model, candidate.attention, signal);
    points.push({ ...candidate, latencyMs: latencies[i]!.ms, ...judgement });
    progress.update((i + 1) / candidates.length);
  }
  progress.stop();
  return points;
}

/** Equal for attention that computes the same. */
const keyOf = ({ dtype }: EncoderModel, { layers, gates }: ChosenAttention): string =>
  JSON.stringify([dtype, layers, layers.map((_, layer) => sharesOf(gates, layer))]);

/** Shares of a layer's heads; undefined where all select the same. */
export function sharesOf(gates: ChosenAttention['gates'], layer: number): readonly number[] | undefined {
  const state = gates.get(layer);
  return state?.gate === 'content' ? state.shares : undefined;
}
