// What all gates must keep to, whatever they select, and what each selects.

import { checkSelection, type Layout, type Selection, tensor } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import {
  BlockGate,
  ContentGate,
  createGate,
  type Gate,
  type GateName,
  gateNames,
  measureSelection,
  OracleGate,
  SlotGate,
  StaticGate,
} from '../src/index.ts';
import { onEachBackend } from './backends.ts';
import { clustered, type Inputs, inLayout } from './data.ts';

const heads = 2;
const headDim = 8;
const modelDim = 12;

const hiddenOf = (batch: number, tokens: number) =>
  tensor(
    Float32Array.from({ length: batch * tokens * modelDim }, (_, i) => Math.sin(i * i)),
    [batch, tokens, modelDim],
  );

/** The lists of a selection as sets of keys, for each text, head and query. */
async function keysOf(selection: Selection, queries: number, keys: number): Promise<number[][][][]> {
  const { tileQueries, blockKeys } = selection;
  const [batch, headCount, tiles, slots] = selection.indices.shape;
  const indices = (await selection.indices.data()) as Int32Array;
  const natural = (length: number) => Int32Array.from({ length: batch * headCount * length }, (_, i) => i % length);
  const keyOrder = ((await selection.keyOrder?.data()) ?? natural(keys)) as Int32Array;
  const queryOrder = ((await selection.queryOrder?.data()) ?? natural(queries)) as Int32Array;
  return Array.from({ length: batch }, (_, text) =>
    Array.from({ length: headCount }, (_, head) => {
      const row = text * headCount + head;
      const lists: number[][] = new Array(queries);
      for (let position = 0; position < queries; position++) {
        const tile = Math.floor(position / tileQueries);
        const blocks = [...indices.slice((row * tiles + tile) * slots, (row * tiles + tile + 1) * slots)];
        const positions = blocks
          .filter((block) => block >= 0)
          .flatMap((block) => Array.from({ length: blockKeys }, (_, i) => block * blockKeys + i))
          .filter((key) => key < keys);
        lists[queryOrder[row * queries + position]] = positions
          .map((key) => keyOrder[row * keys + key])
          .sort((a, b) => a - b);
      }
      return lists;
    }),
  );
}

/** Ascending, unique, −1 only at the end. */
function expectLegal(indices: Int32Array, slots: number, blocks: number): void {
  for (let start = 0; start < indices.length; start += slots) {
    const list = [...indices.slice(start, start + slots)];
    const used = list.filter((index) => index !== -1);
    expect(list).toEqual([...used, ...new Array<number>(slots - used.length).fill(-1)]);
    expect(used).toEqual([...new Set(used)].sort((a, b) => a - b));
    expect(used.every((index) => index >= 0 && index < blocks)).toBe(true);
  }
}

const makers: Record<string, () => Gate> = {
  'content lists': () => new ContentGate({ shape: 'lists' }),
  'content blocks': () => new ContentGate({ shape: 'blocks' }),
  'content without residual': () => new ContentGate({ shape: 'lists', residual: false }),
  slot: () => new SlotGate({ slotCount: 4 }),
  block: () => new BlockGate(),
  static: () => new StaticGate(),
  oracle: () => new OracleGate(),
};

onEachBackend('every gate', (backend) => {
  describe.each(Object.keys(makers))('%s', (name) => {
    it.each([1, 17, 62])('selects legally of %d tokens, also masked, causal and in both layouts', async (tokens) => {
      const k = 20;
      const batch = 2;
      const gate = makers[name]();
      const inputs = clustered({ batch, heads, tokens, headDim }, tokens);
      const present = [tokens, Math.ceil(tokens / 3)];
      const mask = present.flatMap((count) => Array.from({ length: tokens }, (_, i) => Number(i < count)));
      const keyMask = tensor(Uint8Array.from(mask), [batch, tokens]);
      for (const layout of ['heads-first', 'tokens-first'] as Layout[]) {
        for (const causal of [false, true]) {
          for (const masked of [false, true]) {
            const selection = await gate.select({
              backend: backend(),
              ...{ query: inLayout(inputs.query, layout), key: inLayout(inputs.key, layout), layout, causal, k },
              ...(masked && { keyMask }),
              ...(gate.needsHidden && { hidden: hiddenOf(batch, tokens) }),
            });
            const sizes = { batch, heads, queries: tokens, keys: tokens };
            checkSelection(selection, sizes);
            const indices = (await selection.indices.data()) as Int32Array;
            expectLegal(indices, selection.indices.shape[3], Math.ceil(tokens / selection.blockKeys));
            for (const [text, rows] of (await keysOf(selection, tokens, tokens)).entries()) {
              for (const lists of rows) {
                expect(Math.max(...lists.map((list) => list.length))).toBeLessThanOrEqual(Math.min(k, tokens));
                // Single keys that are absent are not selected, except by StaticGate, which looks at nothing.
                const single = selection.blockKeys === 1 && name !== 'static';
                if (masked && single) expect(lists.flat().every((key) => key < present[text])).toBe(true);
              }
            }
            selection.dispose();
          }
        }
      }
      gate.dispose();
    });

    it('leaves nothing behind on the device', async () => {
      const gate = makers[name]();
      const inputs = clustered({ batch: 1, heads, tokens: 40, headDim }, 3);
      const hidden = hiddenOf(1, 40);
      const before = backend().memory().usedBytes;
      (await gate.select({ backend: backend(), ...inputs, hidden })).dispose();
      await backend().synchronize();
      gate.dispose();
      const aborted = gate.select({ backend: backend(), ...inputs, hidden, signal: AbortSignal.abort() });
      await expect(aborted).rejects.toThrow();
      await expect(gate.select({ backend: backend(), ...inputs, hidden, k: 0 })).rejects.toThrow('k is 0');
      expect(backend().memory().usedBytes).toBe(before);
    });

    it('works when every token is padding', async () => {
      const gate = makers[name]();
      const inputs = clustered({ batch: 1, heads, tokens: 20, headDim }, 3);
      const keyMask = tensor(new Uint8Array(20), [1, 20]);
      const selection = await gate.select({ backend: backend(), ...inputs, keyMask, hidden: hiddenOf(1, 20) });
      checkSelection(selection, { batch: 1, heads, queries: 20, keys: 20 });
    });

    it('selects for other queries than keys', async () => {
      const gate = makers[name]();
      if (gate.needsHidden) return;
      const inputs = clustered({ batch: 1, heads, tokens: 40, headDim }, 3);
      const { query } = clustered({ batch: 1, heads, tokens: 25, headDim }, 4);
      const keyMask = tensor(
        Uint8Array.from({ length: 40 }, (_, i) => Number(i < 30)),
        [1, 40],
      );
      const selection = await gate.select({ backend: backend(), query, key: inputs.key, keyMask });
      checkSelection(selection, { batch: 1, heads, queries: 25, keys: 40 });
      const quality = await measureSelection({ backend: backend(), ...inputs, query, keyMask, selection });
      expect(quality.recall).toBeGreaterThan(0.1);
    });
  });
});

/** Attention mass on the k best keys of each query, by definition. */
function bestKeys({ query, key }: Inputs, k: number): number[][][] {
  const [, headCount, tokens, features] = query.shape;
  const [q, kk] = [query.array as Float32Array, key.array as Float32Array];
  return Array.from({ length: headCount }, (_, head) =>
    Array.from({ length: tokens }, (_, i) => {
      const scores = Array.from({ length: tokens }, (_, j) => {
        let dot = 0;
        for (let d = 0; d < features; d++) {
          dot += q[(head * tokens + i) * features + d] * kk[(head * tokens + j) * features + d];
        }
        return { key: j, dot };
      });
      const best = scores.sort((a, b) => b.dot - a.dot).slice(0, k);
      return best.map((score) => score.key).sort((a, b) => a - b);
    }),
  );
}

onEachBackend('OracleGate', (backend) => {
  it.each([8, 6])('selects the keys of largest logit, headDim %d', async (features) => {
    const inputs = clustered({ batch: 1, heads, tokens: 40, headDim: features }, 3);
    const selection = await new OracleGate({ k: 7 }).select({ backend: backend(), ...inputs });
    expect(await keysOf(selection, 40, 40)).toEqual([bestKeys(inputs, 7)]);
  });
});

onEachBackend('BlockGate', (backend) => {
  const tokens = 160;
  const inputs = clustered({ batch: 1, heads, tokens, headDim }, 3);
  const blocksOf = async (gate: BlockGate) => {
    const selection = await gate.select({ backend: backend(), ...inputs });
    const [, , tiles, slots] = selection.indices.shape;
    const indices = [...((await selection.indices.data()) as Int32Array)];
    return Array.from({ length: heads * tiles }, (_, row) =>
      indices.slice(row * slots, (row + 1) * slots).filter((index) => index >= 0),
    );
  };

  it('forces the first block and the diagonal with its neighbours', async () => {
    const lists = await blocksOf(new BlockGate({ k: 96 }));
    for (const [row, list] of lists.entries()) {
      const tile = row % 10;
      expect(list).toEqual(expect.arrayContaining([0, tile, ...[tile - 1, tile + 1].filter((b) => b >= 0 && b < 10)]));
      expect(list.length).toBe(6);
    }
  });

  it('keeps k where there is room for less', async () => {
    for (const [row, list] of (await blocksOf(new BlockGate({ k: 16 }))).entries()) expect(list).toEqual([row % 10]);
    for (const [row, list] of (await blocksOf(new BlockGate({ k: 32 }))).entries()) {
      expect(list).toEqual(expect.arrayContaining([0, row % 10]));
    }
  });

  it('scores by learned weights and relative position', async () => {
    // W_q = 1 and W_k = the mean part: the same as without weights.
    const identity = new Float32Array(heads * headDim * headDim);
    const meanPart = new Float32Array(heads * 3 * headDim * headDim);
    for (let head = 0; head < heads; head++) {
      for (let d = 0; d < headDim; d++) {
        identity[(head * headDim + d) * headDim + d] = 1;
        meanPart[(head * 3 * headDim + 2 * headDim + d) * headDim + d] = 1;
      }
    }
    const query = tensor(identity, [heads, headDim, headDim]);
    const key = tensor(meanPart, [heads, 3 * headDim, headDim]);
    const plain = await blocksOf(new BlockGate({ k: 96 }));
    expect(await blocksOf(new BlockGate({ k: 96, weights: { query, key } }))).toEqual(plain);
    // A large bias at distance +3, clamped to +3 beyond it.
    const relativeBias = tensor(
      Float32Array.from({ length: heads * 7 }, (_, i) => (i % 7 === 6 ? 1000 : 0)),
      [heads, 7],
    );
    const biased = await blocksOf(new BlockGate({ k: 80, weights: { query, key, relativeBias } }));
    for (const [row, list] of biased.entries()) {
      const tile = row % 10;
      if (tile >= 2 && tile + 3 < 10) expect(list.some((block) => block >= tile + 3)).toBe(true);
    }
    const misfit = new BlockGate({ weights: { query, key: query } });
    await expect(blocksOf(misfit)).rejects.toThrow('the key weight is [2, 8, 8]; 2 heads of 8 need [2, 24, rank]');
  });
});

onEachBackend('StaticGate', (backend) => {
  const inputs = clustered({ batch: 1, heads, tokens: 10, headDim }, 3);
  const listsOf = async (gate: StaticGate, causal = false) => {
    const selection = await gate.select({ backend: backend(), ...inputs, causal });
    return (await keysOf(selection, 10, 10))[0][1];
  };

  it('selects a window and the first tokens', async () => {
    const lists = await listsOf(new StaticGate({ k: 4 }));
    expect(lists[0]).toEqual([0, 1]);
    expect(lists[5]).toEqual([0, 4, 5, 6]);
    expect(lists[9]).toEqual([0, 8, 9]);
    expect((await listsOf(new StaticGate({ k: 5, globalTokens: 2 })))[5]).toEqual([0, 1, 4, 5, 6]);
  });

  it('ends the window at the query when causal', async () => {
    const lists = await listsOf(new StaticGate({ k: 4 }), true);
    expect(lists[0]).toEqual([0]);
    expect(lists[1]).toEqual([0, 1]);
    expect(lists[5]).toEqual([0, 3, 4, 5]);
  });

  it('selects everything when k is twice the length', async () => {
    for (const list of await listsOf(new StaticGate({ k: 20 }))) expect(list).toHaveLength(10);
  });
});

onEachBackend('SlotGate', (backend) => {
  it('lets a query attend to the tokens of its best slot', async () => {
    // Slot = the feature in which a hidden state is largest; both heads alike, two slots.
    const states = [
      [3, 0],
      [0, 5],
      [2, 1],
      [0, 4],
      [1, 0],
      [0, 6],
    ];
    const weight = tensor(Float32Array.from([1, 0, 0, 1, 1, 0, 0, 1]), [4, 2]);
    const gate = new SlotGate({ k: 2, slotCount: 2, weights: { weight } });
    const inputs = clustered({ batch: 1, heads, tokens: 6, headDim }, 3);
    const hidden = tensor(Float32Array.from(states.flat()), [1, 6, 2]);
    const selection = await gate.select({ backend: backend(), ...inputs, hidden });
    const lists = [
      [0, 2],
      [1, 5],
      [0, 2],
      [1, 5],
      [0, 2],
      [1, 5],
    ];
    expect(await keysOf(selection, 6, 6)).toEqual([[lists, lists]]);
  });

  it('starts from the same random weights each time', async () => {
    const inputs = clustered({ batch: 1, heads, tokens: 30, headDim }, 3);
    const select = async (seed: number) => {
      const selection = await new SlotGate({ k: 4, seed }).select({
        backend: backend(),
        ...inputs,
        hidden: hiddenOf(1, 30),
      });
      return selection.indices.data();
    };
    expect(await select(1)).toEqual(await select(1));
    expect(await select(1)).not.toEqual(await select(2));
  });

  it('says what it needs', async () => {
    const inputs = clustered({ batch: 1, heads, tokens: 6, headDim }, 3);
    const select = new SlotGate().select({ backend: backend(), ...inputs });
    await expect(select).rejects.toThrow('hidden is missing');
    const weights = { weight: tensor(new Float32Array(8), [4, 2]) };
    const misfit = new SlotGate({ slotCount: 3, weights }).select({
      backend: backend(),
      ...inputs,
      hidden: hiddenOf(1, 6),
    });
    await expect(misfit).rejects.toThrow('need [6, 12] and [6]');
  });
});

describe('createGate', () => {
  it('makes each gate by its name, with its options', () => {
    for (const name of gateNames) expect(createGate(name, { k: 5 })).toMatchObject({ name, k: 5 });
    expect(createGate('content')).toBeInstanceOf(ContentGate);
  });

  it('refuses a name that no gate has', () => {
    expect(() => createGate('toString' as GateName)).toThrow(
      "[gating] there is no gate 'toString'; expected one of content, slot, block, static, oracle.",
    );
  });
});

onEachBackend('inputs', (backend) => {
  it('are refused with what was expected', async () => {
    const { query } = clustered({ batch: 1, heads, tokens: 6, headDim }, 3);
    const { key } = clustered({ batch: 1, heads: 3, tokens: 6, headDim }, 3);
    await expect(new StaticGate().select({ backend: backend(), query, key })).rejects.toThrow(
      'query is [1, 2, 6, 8], key is [1, 3, 6, 8]; expected [batch, heads, tokens, headDim]',
    );
    expect(() => new OracleGate({ k: 1.5 })).toThrow('k is 1.5');
    const select = (inputs: object) =>
      new OracleGate({ k: 2 }).select({ backend: backend(), query, key: query, ...inputs } as never);
    await expect(select({ key: undefined })).rejects.toThrow('[gating] oracle: key is undefined; expected a tensor');
    await expect(select({ query: new Float32Array(8) })).rejects.toThrow('query is a Float32Array; expected a tensor');
    await expect(select({ key: tensor(new Uint16Array(96), query.shape, 'float16') })).rejects.toThrow(
      'key is float16 [1, 2, 6, 8]; expected float32 like query',
    );
    await expect(select({ layout: 'rows' })).rejects.toThrow("layout is the string 'rows'; expected 'heads-first'");
    await expect(select({ scale: Number.NaN })).rejects.toThrow('scale is NaN');
    await expect(select({ keyMask: tensor(new Uint8Array(5), [1, 5]) })).rejects.toThrow(
      'keyMask is uint8 [1, 5]; expected uint8 [1, 6]',
    );
    await expect(select({ queryMask: tensor(new Float32Array(6), [1, 6]) })).rejects.toThrow('queryMask is float32');
    const gate = new ContentGate();
    await gate.select({ backend: backend(), query, key: query });
    await expect(gate.select({ backend: backend(), query: key, key })).rejects.toThrow('fitted for 2 heads of 8');
  });
});
