import { ceilDivide, type SelectTopKProblem } from '@flashmla/tensor';
import type { Case, Inputs, Outputs } from '../case.ts';
import { checkSelectTopK } from '../checks/select-top-k.ts';
import { matchesReference } from '../compare.ts';
import type { Random } from '../random.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  dimensions: Partial<SelectTopKProblem>,
  label = '',
  change?: (inputs: Inputs, random: Random) => void,
  own: Partial<Case> = {},
): Case {
  const { queries = 150, tileQueries = 1, blockKeys = 1 } = dimensions;
  const problem: SelectTopKProblem = {
    op: 'select-top-k',
    batch: 1,
    heads: 2,
    queries,
    keys: queries,
    rank: 8,
    tileQueries,
    blockKeys,
    slots: blockKeys === 1 ? 20 : 3,
    headSlots: false,
    keyOrder: false,
    queryOrder: false,
    mask: false,
    causal: false,
    forceFirst: 0,
    forceDiagonal: 0,
    biasSpan: -1,
    coarseBlocks: 0,
    coarseSlots: 0,
    ...dimensions,
  };
  const p = problem;
  const parts = [
    `tiles ${tileQueries}×${blockKeys}`,
    `${p.batch}×${p.heads}×${p.queries}×${p.keys}×${p.rank}`,
    `${p.slots} slots`,
    p.headSlots && 'fewer in some heads',
    p.keyOrder && 'key order',
    p.queryOrder && 'query order',
    p.mask && 'mask',
    p.causal && 'causal',
    p.forceFirst && `first ${p.forceFirst}`,
    p.forceDiagonal && `diagonal ${p.forceDiagonal}`,
    p.biasSpan >= 0 && `bias ±${p.biasSpan}`,
    p.coarseBlocks && `${p.coarseSlots} groups of ${p.coarseBlocks}`,
    label,
  ];
  const name = `select-top-k: ${parts.filter(Boolean).join(', ')}`;
  const check = (outputs: Outputs, inputs: Inputs) => checkSelectTopK(problem, inputs, outputs.indices!);
  return { name, problem, inputs: inputsFor(name, problem, change), check, ...own };
}

const tiles = [
  { tileQueries: 1, blockKeys: 1 },
  { tileQueries: 16, blockKeys: 1 },
  { tileQueries: 16, blockKeys: 16 },
  { tileQueries: 64, blockKeys: 64 },
] as const;

export function* selectTopKCases(): Generator<Case> {
  for (const tile of tiles) {
    for (const ordered of [false, true]) {
      for (const mask of [false, true]) {
        const common = { ...tile, keyOrder: ordered, queryOrder: ordered, mask, batch: 2 };
        yield make(common);
        yield make({ ...common, queries: 70, keys: 213 });
        yield make({ ...common, forceFirst: 1, forceDiagonal: 2 });
        yield make({ ...common, forceFirst: 2, forceDiagonal: 1, biasSpan: 3 });
      }
    }
    yield make({ ...tile, keyOrder: true });
    yield make({ ...tile, queryOrder: true });
    for (const mask of [false, true]) {
      yield make({ ...tile, causal: true, mask });
      yield make({ ...tile, causal: true, mask, forceFirst: 1, forceDiagonal: 2, biasSpan: 2 });
    }
    yield make({ ...tile, causal: true, queries: 70, keys: 213 });
    yield make({ ...tile, causal: true, queries: 213, keys: 70 }, 'the first queries see nothing');
    for (const rank of [4, 16, 32]) yield make({ ...tile, rank, keyOrder: true, queryOrder: true });
    for (const queries of [1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129]) yield make({ ...tile, queries, slots: 2 });
    yield make({ ...tile, slots: 1 });
    for (const own of [
      {},
      { batch: 2, mask: true, keyOrder: true },
      { causal: true, forceFirst: 1, forceDiagonal: 2 },
    ]) {
      yield make({ ...tile, heads: 3, headSlots: true, ...own });
    }
    yield make({ ...tile, heads: 3, headSlots: true }, 'none or too many', (inputs) => {
      inputs.headSlots = Int32Array.of(0, 99, 2);
    });
    yield make({ ...tile, queries: 62, slots: 0 });
    yield make({ ...tile, queries: 62, slots: 80 }, 'more slots than blocks');
    yield make({ ...tile, queries: 62, slots: 80, mask: true, batch: 2 }, 'more slots than blocks');
    yield make({ ...tile, queries: 62, keys: 0 }, 'no keys');
    yield make({ ...tile, queries: 0, keys: 62 }, 'no queries');
    yield make({ ...tile, slots: 2, forceFirst: 3, forceDiagonal: 2 }, 'more forced than slots');
    yield make({ ...tile, queries: 130, mask: true, batch: 2 }, 'one text wholly masked', (inputs) => {
      for (const name of ['keyMask', 'queryMask']) inputs[name]!.fill(0, 0, 130);
      for (const name of ['key', 'query']) inputs[name]!.fill(Number.NaN, 0, 2 * 130 * 8);
    });
    yield make({ ...tile, mask: true, keyOrder: true, queryOrder: true }, 'five reruns', undefined, { runs: 5 });
    yield make({ ...tile, rank: 6 }, 'may be refused', undefined, { mayRefuse: true });

    const coarseBlocks = tile.blockKeys === 1 ? 16 : 2;
    const twoLevels = { ...tile, queries: tile.blockKeys === 1 ? 290 : 530, coarseBlocks, coarseSlots: 3 };
    yield make(twoLevels);
    yield make({ ...twoLevels, keyOrder: true, queryOrder: true, mask: true, batch: 2 });
    yield make({ ...twoLevels, forceFirst: 1, forceDiagonal: 2 });
    yield make({ ...twoLevels, causal: true });
    yield make({ ...twoLevels, heads: 3, headSlots: true });
    yield make({ ...twoLevels, biasSpan: 4 });
    yield make({ ...twoLevels, coarseSlots: 100 }, 'more groups than there are');
    yield make({ ...twoLevels, slots: 100 }, 'more slots than blocks in the groups');
  }
  yield make({ queries: 1025, heads: 1, slots: 64, keyOrder: true });
  yield make({ queries: 1025, heads: 1, slots: 64, coarseBlocks: 32, coarseSlots: 8, keyOrder: true });
  yield make({ queries: 1025, tileQueries: 16, blockKeys: 16, slots: 4, keyOrder: true, queryOrder: true });

  // Small whole numbers have exact scores: ties are ties, and the smaller number wins.
  const whole = (inputs: Inputs, random: Random) => {
    for (const name of ['query', 'key']) {
      inputs[name] = Float32Array.from({ length: inputs[name]!.length }, () => random.integer(-1, 2));
    }
  };
  for (const options of [{}, { forceFirst: 2, forceDiagonal: 2 }, { causal: true }, { slots: 140 }]) {
    const ties = make({ ...options, queries: 200 }, 'ties', whole);
    yield { ...ties, check: matchesReference(ties.problem) };
  }
  for (const [tileQueries, blockKeys] of [
    [16, 16],
    [64, 64],
    [16, 1],
  ] as const) {
    const keys = ceilDivide(600, 64) * 64;
    const ties = make({ tileQueries, blockKeys, queries: keys }, 'ties', (inputs, random) => {
      whole(inputs, random);
      inputs.key!.fill(0, 0, Math.floor(inputs.key!.length / 2));
    });
    yield { ...ties, check: matchesReference(ties.problem) };
  }
}
