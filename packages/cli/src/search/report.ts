// What was searched, as plain data: for search.json, pareto.json and standard output.

import { keysOfHeads } from '@flashmla/gating';
import { type AttentionSearch, type ChosenAttention, nameOf } from '@flashmla/model-swap';
import { type MethodResult, type Point, sharesOf } from './curve.ts';

export interface PointReport {
  readonly kind: Point['kind'];
  readonly dtype: string;
  readonly k?: number;
  readonly methods?: readonly string[];
  /** Of the budgets that led to it. */
  readonly budgetsMs?: readonly number[];
  readonly predictedMs?: number;
  readonly predictedError?: number;
  readonly latencyMs: number;
  readonly accuracy: number | null;
  readonly metrics: Readonly<Record<string, number>>;
  readonly agreement: number | null;
  readonly logitError: number;
}

export function reportPoint(point: Point): PointReport {
  const { kind, model, k, results, latencyMs, accuracy, metrics, agreement, logitError } = point;
  const own = results && {
    methods: [...new Set(results.map(({ method }) => method))],
    budgetsMs: [...new Set(results.map(({ budgetMs }) => budgetMs))],
    predictedMs: results[0]!.found.predictedMs,
    predictedError: results[0]!.predictedError,
  };
  return {
    ...{ kind, dtype: model.dtype },
    ...(k !== undefined && { k }),
    ...own,
    ...{ latencyMs, accuracy, metrics, agreement, logitError },
  };
}

/** What each layer does, with the keys of each head where heads differ. */
export const reportLayers = ({ layers, gates }: ChosenAttention) =>
  layers.map((layer, index) => {
    if (layer === 'dense') return { layer: index, attention: layer };
    const shares = sharesOf(gates, index);
    const heads = shares && layer.k !== undefined ? { headKeys: keysOfHeads(layer.k, shares) } : {};
    return { layer: index, attention: layer, ...heads };
  });

export const reportResult = ({ method, budgetMs, model, found, predictedError, elapsedMs }: MethodResult) => ({
  ...{ method, budgetMs, dtype: model.dtype, predictedMs: found.predictedMs, predictedError, elapsedMs },
  layers: reportLayers(found.attention),
});

/** All that was measured of one precision. */
export const reportSearch = ({ model, groups, dense, leastMs, costs, errors }: AttentionSearch) => ({
  ...{ dtype: model.dtype, denseMs: dense.ms, leastMs },
  lengths: groups.map(({ least, most, share, text }, group) => ({
    ...{ least, most, share, tokens: text.ids.length, denseMs: dense.groupMs[group] },
  })),
  costs: [...costs].map(([layer, own]) => ({
    layer,
    lengths: own.map(({ denseMs, kinds }) => ({
      denseMs,
      kinds: kinds.map(({ kind, ...figures }) => ({ kind: nameOf(kind), ...figures })),
    })),
  })),
  errors: [...errors].map(([layer, kinds]) => ({
    layer,
    kinds: kinds.map(({ kind, ...figures }) => ({ kind: nameOf(kind), ...figures })),
  })),
});
