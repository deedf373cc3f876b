import { ceilDivide, type SparseAttentionGradientProblem, type SparseAttentionProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { gradientsMatch } from '../compare.ts';
import type { Random } from '../random.ts';
import { inputsFor } from '../seeded-inputs.ts';
import { addForwardOutputs, attentionOf, describeAttention, manyLongHeads } from './attention.ts';

type Change = (inputs: Inputs, random: Random, problem: SparseAttentionGradientProblem) => void;

function make(
  dimensions: Partial<SparseAttentionGradientProblem>,
  label = '',
  change?: Change,
  own: Partial<Case> = {},
): Case {
  const { tileQueries = 1, blockKeys = 1 } = dimensions;
  const problem: SparseAttentionGradientProblem = {
    tileQueries,
    blockKeys,
    slots: ceilDivide(blockKeys === 64 ? 64 : 24, blockKeys),
    keyOrder: false,
    queryOrder: false,
    residualGroup: 0,
    ...dimensions,
    ...attentionOf(dimensions),
    op: 'sparse-attention-gradient',
  };
  const forward: SparseAttentionProblem = { ...problem, op: 'sparse-attention' };
  const parts = [
    `tiles ${tileQueries}×${blockKeys}`,
    describeAttention(problem),
    problem.keyOrder && 'key order',
    problem.queryOrder && 'query order',
    problem.residualGroup && `residual ${problem.residualGroup}`,
    label,
  ];
  const name = `sparse-attention-gradient: ${parts.filter(Boolean).join(', ')}`;
  const inputs = inputsFor(name, problem, (given, random) => {
    change?.(given, random, problem);
    addForwardOutputs(forward, given);
  });
  return { name, problem, inputs, check: gradientsMatch(problem), mayRefuse: true, ...own };
}

const tiles = [
  { tileQueries: 1, blockKeys: 1 },
  { tileQueries: 16, blockKeys: 1 },
  { tileQueries: 64, blockKeys: 1 },
  { tileQueries: 16, blockKeys: 16 },
  { tileQueries: 64, blockKeys: 64 },
] as const;

const booleans = [false, true] as const;

export function* sparseAttentionGradientCases(): Generator<Case> {
  for (const tile of tiles) {
    const { blockKeys } = tile;
    const residualGroup = 64;
    for (const keyOrder of booleans) {
      for (const queryOrder of booleans) {
        for (const mask of booleans) {
          const common = { ...tile, keyOrder, queryOrder, mask, batch: 2, headDim: 12 };
          yield make({ ...common, queries: 91, keys: 150 });
          yield make({ ...common, queries: 62, keys: 91, causal: true });
          yield make({ ...common, queries: 150, keys: 213, residualGroup });
        }
      }
    }
    for (const layout of ['heads-first', 'tokens-first'] as const) {
      for (const headDim of [4, 80, 256]) {
        yield make({ ...tile, layout, headDim, queries: 77, mask: true, residualGroup, queryOrder: true });
      }
    }
    for (const group of [0, residualGroup]) {
      for (const queries of [1, 16, 17, 64, 65]) yield make({ ...tile, queries, headDim: 16, residualGroup: group });
      yield make({ ...tile, queries: 1, keys: 213, residualGroup: group, keyOrder: true });
      yield make({ ...tile, queries: 213, keys: 1, residualGroup: group, queryOrder: true });
      yield make({ ...tile, queries: 70, slots: 0, residualGroup: group }, 'no slots');
      const lists = { ...tile, queries: 130, headDim: 16, residualGroup: group, keyOrder: group > 0 };
      yield make({ ...lists, slots: 139 }, 'more slots than blocks');
      yield make({ ...lists, slots: 9 }, 'empty lists', (inputs) => void inputs.indices!.fill(-1));
      yield make({ ...lists, slots: 9 }, 'every entry the same', (inputs) => void inputs.indices!.fill(0));
      yield make({ ...lists, slots: 9 }, 'repeats and entries past the end', (inputs, random, p) => {
        inputs.indices = random.integers(inputs.indices!.length, -2, ceilDivide(p.keys, blockKeys) + 3);
      });
      yield make({ ...lists, mask: true, batch: 2 }, 'one text wholly masked', (inputs, _, p) => {
        inputs.keyMask!.fill(0, 0, p.keys);
        for (const name of ['key', 'value']) inputs[name]!.fill(Number.NaN, 0, p.heads * p.keys * p.headDim);
      });
    }
    yield make(
      { ...tile, queries: 1025, heads: 1, headDim: 32, keyOrder: true, queryOrder: true, mask: true, residualGroup },
      'five reruns',
      undefined,
      { runs: 5 },
    );
    yield make({ ...tile, scale: 8 / Math.sqrt(32), residualGroup }, 'sharp');
  }
  for (const [tileQueries, blockKeys] of [
    [16, 1],
    [64, 64],
  ] as const) {
    const orders = { keyOrder: true, queryOrder: true, residualGroup: 128 };
    yield make({ tileQueries, blockKeys, ...manyLongHeads, mask: true, ...orders });
  }
  for (const [tileQueries, blockKeys] of [
    [5, 1],
    [5, 16],
    [1, 16],
    [8, 24],
  ] as const) {
    const common = { tileQueries, blockKeys, queries: 62, keys: 91, mask: true };
    yield make({ ...common, residualGroup: 2 * blockKeys }, 'may be refused');
    yield make({ ...common, causal: true, keyOrder: true }, 'may be refused');
  }
  yield make({ headDim: 6 }, 'may be refused');
}
