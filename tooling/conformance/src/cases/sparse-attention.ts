import { ceilDivide, reference, type SparseAttentionProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { compare, matchesReference } from '../compare.ts';
import type { Random } from '../random.ts';
import { inputsFor } from '../seeded-inputs.ts';
import { attentionOf, describeAttention, hugeLogits, manyLongHeads, setToken } from './attention.ts';

type Change = (inputs: Inputs, random: Random, problem: SparseAttentionProblem) => void;

function make(dimensions: Partial<SparseAttentionProblem>, label = '', change?: Change, own: Partial<Case> = {}): Case {
  const { tileQueries = 1, blockKeys = 1 } = dimensions;
  const problem: SparseAttentionProblem = {
    tileQueries,
    blockKeys,
    slots: ceilDivide(blockKeys === 64 ? 64 : 24, blockKeys),
    keyOrder: false,
    queryOrder: false,
    residualGroup: 0,
    ...dimensions,
    ...attentionOf(dimensions),
    op: 'sparse-attention',
  };
  const parts = [
    `tiles ${tileQueries}×${blockKeys}`,
    describeAttention(problem),
    problem.keyOrder && 'key order',
    problem.queryOrder && 'query order',
    problem.residualGroup && `residual ${problem.residualGroup}`,
    label,
  ];
  const name = `sparse-attention: ${parts.filter(Boolean).join(', ')}`;
  const inputs = inputsFor(name, problem, (given, random) => change?.(given, random, problem));
  return { name, problem, inputs, check: matchesReference(problem), ...own };
}

/** The shapes that every backend does. */
const tiles = [
  { tileQueries: 1, blockKeys: 1 },
  { tileQueries: 16, blockKeys: 1 },
  { tileQueries: 16, blockKeys: 16 },
  { tileQueries: 64, blockKeys: 64 },
] as const;

const booleans = [false, true] as const;
const groupsOf = (blockKeys: number) => [16, 32, 64, 128].filter((group) => group % blockKeys === 0);

export function* sparseAttentionCases(): Generator<Case> {
  for (const tile of tiles) {
    yield* optionCases(tile);
    yield* sizeCases(tile);
    yield* listCases(tile);
    yield* equalToDense(tile);
    yield make({ ...tile, queries: 62, scale: 1 }, 'logits up to ±1e4', (inputs, random, p) =>
      hugeLogits(p, inputs, random),
    );
    yield make({ ...tile, scale: 8 / Math.sqrt(32), residualGroup: 64 }, 'sharp');
    yield make(
      { ...tile, queries: 213, mask: true, keyOrder: true, queryOrder: true, residualGroup: 64 },
      'five reruns',
      undefined,
      { runs: 5 },
    );
    // Where a backend may share a query's keys out among its workers.
    yield make(
      {
        ...{ ...tile, heads: 1, queries: 5, keys: 2050, slots: ceilDivide(1024, tile.blockKeys), headDim: 12 },
        ...{ mask: true, keyOrder: true, queryOrder: true, residualGroup: 64 },
      },
      'few queries, long lists',
      undefined,
      { runs: 5 },
    );
    yield make({ ...tile, headDim: 6, residualGroup: 64 }, 'may be refused', undefined, { mayRefuse: true });
    yield make({ ...tile, headDim: 260 }, 'may be refused', undefined, { mayRefuse: true });
  }
  for (const [tileQueries, blockKeys] of [
    [5, 1],
    [5, 16],
    [1, 16],
    [8, 24],
  ] as const) {
    yield make({ tileQueries, blockKeys, residualGroup: 2 * blockKeys }, 'may be refused', undefined, {
      mayRefuse: true,
    });
  }
}

/** Every option with every other, and every head width. */
function* optionCases(tile: (typeof tiles)[number]): Generator<Case> {
  let turn = 0;
  const groups = groupsOf(tile.blockKeys);
  for (const keyOrder of booleans) {
    for (const queryOrder of booleans) {
      for (const mask of booleans) {
        const common = { ...tile, keyOrder, queryOrder, mask, batch: 2, headDim: 12 };
        yield make({ ...common, queries: 91 });
        yield make({ ...common, queries: 91, keys: 150 });
        yield make({ ...common, queries: 91, causal: true });
        yield make({ ...common, queries: 62, keys: 91, causal: true });
        yield make({ ...common, queries: 150, residualGroup: groups[turn % groups.length]! });
        yield make({ ...common, queries: 62, keys: 213, residualGroup: groups[(turn + 1) % groups.length]! });
        turn++;
      }
    }
  }
  for (const layout of ['heads-first', 'tokens-first'] as const) {
    for (const headDim of [4, 12, 32, 64, 80, 128, 256]) {
      yield make({ ...tile, layout, headDim, queries: 77, keyOrder: true });
      yield make({ ...tile, layout, headDim, queries: 77, batch: 2, mask: true, residualGroup: 64, queryOrder: true });
    }
  }
}

/** Lengths at and beside the edges of tiles, blocks and groups. */
function* sizeCases(tile: (typeof tiles)[number]): Generator<Case> {
  for (const residualGroup of [0, 64]) {
    for (const queries of [1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 213]) {
      yield make({ ...tile, queries, headDim: 16, residualGroup });
    }
    yield make({ ...tile, queries: 1, keys: 213, residualGroup, keyOrder: true });
    yield make({ ...tile, queries: 213, keys: 1, residualGroup, queryOrder: true });
    yield make({ ...tile, queries: 33, keys: 0, residualGroup }, 'no keys');
    yield make({ ...tile, queries: 0, keys: 33, residualGroup }, 'no queries');
    yield make({ ...tile, queries: 70, slots: 0, residualGroup }, 'no slots');
  }
  yield make({ ...tile, ...manyLongHeads, mask: true, keyOrder: true, queryOrder: true, residualGroup: 128 });
  const long = { ...tile, queries: 1025, heads: 1, headDim: 32, keyOrder: true };
  yield make({ ...long, slots: ceilDivide(64, tile.blockKeys) });
  yield make({ ...long, slots: ceilDivide(64, tile.blockKeys), residualGroup: 128, queryOrder: true });
}

/** Lists that no gate should write, and that every kernel must read right. */
function* listCases(tile: (typeof tiles)[number]): Generator<Case> {
  const { blockKeys } = tile;
  const slots = ceilDivide(64, blockKeys);
  for (const residualGroup of [0, 64]) {
    const common = { ...tile, queries: 130, headDim: 16, residualGroup, keyOrder: residualGroup > 0 };
    yield make({ ...common, slots: 139 }, 'more slots than blocks');
    yield make({ ...common, slots }, 'empty lists', (inputs) => void inputs.indices!.fill(-1));
    yield make({ ...common, slots }, 'some lists empty', (inputs, random) => {
      for (let start = 0; start < inputs.indices!.length; start += slots) {
        if (random.next() < 0.5) inputs.indices!.fill(-1, start, start + slots);
      }
    });
    yield make({ ...common, slots: 9 }, 'garbage entries', garbage);
    yield make({ ...common, slots: 9 }, 'repeated entries', (inputs, random, p) => {
      const blocks = ceilDivide(p.keys, blockKeys);
      inputs.indices = random.integers(inputs.indices!.length, 0, Math.min(blocks, 5));
    });
    yield make({ ...common, slots: 9 }, 'every entry the same', (inputs) => void inputs.indices!.fill(1));
    yield make({ ...common, slots: 9 }, 'repeats after garbage', (inputs, random, p) => {
      inputs.indices = random.integers(inputs.indices!.length, 0, 3);
      garbage(inputs, random, p);
    });
    yield make({ ...common, mask: true, batch: 2 }, 'one text wholly masked', (inputs, _, p) => {
      inputs.keyMask!.fill(0, 0, p.keys);
      for (const name of ['key', 'value']) inputs[name]!.fill(Number.NaN, 0, p.heads * p.keys * p.headDim);
    });
  }
  for (const keyOrder of booleans) {
    for (const layout of ['heads-first', 'tokens-first'] as const) {
      yield make(
        { ...tile, queries: 130, keys: 400, slots: ceilDivide(80, blockKeys), keyOrder, layout },
        'NaN in unused keys',
        poisonUnused,
      );
    }
  }
}

/** Overwrites about a third of all entries with numbers that name no block, also when multiplied in 32 bits. */
const garbage: Change = (inputs, random, { keys, blockKeys }) => {
  const blocks = ceilDivide(keys, blockKeys);
  const none = [
    -(2 ** 31),
    -1,
    -2,
    blocks,
    blocks + 1,
    keys,
    2 ** 31 - 1,
    2 ** 25 + 1,
    2 ** 27,
    2 ** 28 + 2,
    2 ** 30,
  ].filter((block) => block < 0 || block >= blocks);
  inputs.indices = inputs.indices!.map((block) =>
    random.next() < 0.35 ? none[random.integer(0, none.length)]! : block,
  );
};

/** Keeps the lists to the first half of the blocks and makes every key that no list names NaN, and its value. */
const poisonUnused: Change = (inputs, random, p) => {
  const blocks = ceilDivide(p.keys, p.blockKeys);
  const half = ceilDivide(blocks, 2);
  const lists = inputs.indices!.length / p.slots;
  for (let list = 0; list < lists; list++) {
    const chosen = random.subset(Math.min(p.slots, half), half);
    inputs.indices!.fill(-1, list * p.slots, (list + 1) * p.slots).set(chosen, list * p.slots);
  }
  const tilesOfHead = lists / (p.batch * p.heads);
  for (let row = 0; row < p.batch * p.heads; row++) {
    const named = new Set(inputs.indices!.subarray(row * tilesOfHead * p.slots, (row + 1) * tilesOfHead * p.slots));
    for (let position = 0; position < p.keys; position++) {
      if (named.has(Math.floor(position / p.blockKeys))) continue;
      const key = p.keyOrder ? inputs.keyOrder![row * p.keys + position]! : position;
      for (const name of ['key', 'value']) setToken(p, inputs[name]!, row, key, Number.NaN);
    }
  }
};

/** With everything selected it is dense attention, whatever the orders and groups. */
function* equalToDense(tile: (typeof tiles)[number]): Generator<Case> {
  const slots = ceilDivide(91, tile.blockKeys);
  for (const options of [
    {},
    { mask: true, batch: 2 },
    { causal: true },
    { keyOrder: true, queryOrder: true },
    { residualGroup: 64 },
    { residualGroup: 64, keyOrder: true, mask: true },
  ]) {
    const everything: Change = (inputs) => {
      inputs.indices = inputs.indices!.map((_, i) => i % slots);
    };
    const testCase = make({ ...tile, queries: 91, slots, ...options }, 'everything selected', everything);
    const sparse = testCase.problem as SparseAttentionProblem;
    const dense = { ...attentionOf(sparse), op: 'dense-attention' as const };
    yield {
      ...testCase,
      check(outputs, inputs) {
        for (const [name, expected] of Object.entries(reference(dense, inputs))) {
          compare(`${name} (against dense)`, outputs[name]!, expected);
        }
      },
    };
  }
}
