// What ContentGate selects, and how close attention over it comes to dense attention.

import { type HostTensor, type Selection, tensor } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { ContentGate, type ContentGateOptions, measureSelection } from '../src/index.ts';
import { residualGroup } from '../src/residual-group.ts';
import { onEachBackend } from './backends.ts';
import {
  attend,
  contentOrder,
  gateSpace,
  project,
  type Rows,
  relativeError,
  selectBlocks,
  selectLists,
} from './content-gate-reference.ts';
import { clustered, type Inputs, inLayout, sampleOf } from './data.ts';

const heads = 2;
const headDim = 32;
const tokens = 400;
const k = 32;
const shape = { batch: 1, heads, tokens, headDim };
const samples = [1, 2, 3, 4].map((seed) => clustered(shape, seed));
const inputs = clustered(shape, 5);

async function fitted(options: ContentGateOptions): Promise<ContentGate> {
  const gate = new ContentGate({ rank: 8, ...options });
  await gate.fit(samples.map(sampleOf), { heads, headDim });
  return gate;
}

function rowsOf(source: HostTensor, head: number): Rows {
  const [, , count, features] = source.shape;
  return Array.from({ length: count }, (_, row) => {
    const start = (head * count + row) * features;
    return [...(source.array as Float32Array).subarray(start, start + features)];
  });
}

/** What the plain implementation gives for the same samples and inputs. */
function expectedErrors() {
  const natural = Array.from({ length: tokens }, (_, i) => i);
  const errors = { bareLists: 0, lists: 0, blocks: 0 };
  for (let head = 0; head < heads; head++) {
    const of = (which: keyof Inputs, from = inputs) => rowsOf(from[which], head);
    const { A, B } = gateSpace(
      samples.map((sample) => of('query', sample)),
      samples.map((sample) => of('key', sample)),
      8,
    );
    const [q, kk, v] = [of('query'), of('key'), of('value')];
    const [qg, kg] = [project(q, A), project(kk, B)];
    const [keyOrder, queryOrder] = [contentOrder(kg), contentOrder(qg)];
    const all = { indices: [natural], tile: tokens, block: 1, queryOrder: natural, keyOrder };
    const dense = attend(q, kk, v, all, 0);
    const lists = { indices: selectLists(qg, kg, keyOrder, k), tile: 1, block: 1, queryOrder: natural, keyOrder };
    const indices = selectBlocks(qg, kg, queryOrder, keyOrder, 2 * k);
    const blocks = { indices, tile: 16, block: 16, queryOrder, keyOrder };
    errors.bareLists += relativeError(attend(q, kk, v, lists, 0), dense) / heads;
    errors.lists += relativeError(attend(q, kk, v, lists, residualGroup(tokens)), dense) / heads;
    errors.blocks += relativeError(attend(q, kk, v, blocks, residualGroup(tokens)), dense) / heads;
  }
  return errors;
}
const expected = expectedErrors();

onEachBackend('ContentGate', (backend) => {
  const qualityOf = async (options: ContentGateOptions, given: Inputs = inputs) => {
    const gate = await fitted(options);
    const selection = await gate.select({ backend: backend(), ...given });
    const quality = await measureSelection({ backend: backend(), ...given, selection });
    selection.dispose();
    gate.dispose();
    return quality;
  };

  it('comes as close to dense attention as the plain implementation, with lists and with blocks', async () => {
    const bareLists = await qualityOf({ k, shape: 'lists', residual: false });
    const lists = await qualityOf({ k, shape: 'lists' });
    const blocks = await qualityOf({ k: 2 * k, shape: 'blocks' });
    // Content orders differ where the maps' columns differ in sign, which is free; so the residual does a little.
    expect(bareLists.error / expected.bareLists).toBeCloseTo(1, 3);
    expect(Math.abs(lists.error / expected.lists - 1)).toBeLessThan(0.1);
    expect(Math.abs(blocks.error / expected.blocks - 1)).toBeLessThan(0.1);
    expect(lists.error).toBeLessThan(0.5 * bareLists.error);
    expect(blocks.error).toBeLessThan(0.5 * bareLists.error);
  });

  it('selects lists and blocks of at most k tokens, in the shapes that kernels read', async () => {
    const lists = await (await fitted({ k: 20, shape: 'lists' })).select({ backend: backend(), ...inputs });
    expect(lists).toMatchObject({ tileQueries: 1, blockKeys: 1, residualGroup: 16 });
    expect(lists.indices.shape).toEqual([1, heads, tokens, 20]);
    expect(lists.queryOrder).toBeUndefined();
    const blocks = await (await fitted({ k: 40, shape: 'blocks' })).select({ backend: backend(), ...inputs });
    expect(blocks).toMatchObject({ tileQueries: 16, blockKeys: 16, residualGroup: 16 });
    expect(blocks.indices.shape).toEqual([1, heads, tokens / 16, 2]);
    expect(blocks.queryOrder?.shape).toEqual([1, heads, tokens]);
  });

  it('selects the same in both layouts', async () => {
    const gate = await fitted({ k, shape: 'lists' });
    const headsFirst = await gate.select({ backend: backend(), ...inputs });
    const tokensFirst = await gate.select({
      backend: backend(),
      query: inLayout(inputs.query, 'tokens-first'),
      key: inLayout(inputs.key, 'tokens-first'),
      layout: 'tokens-first',
    });
    expect(await tokensFirst.indices.data()).toEqual(await headsFirst.indices.data());
    expect(await tokensFirst.keyOrder!.data()).toEqual(await headsFirst.keyOrder!.data());
  });

  it.each(['lists', 'blocks'] as const)('gives a padded text the %s it gets alone', async (selected) => {
    const present = 150;
    const whole = clustered({ ...shape, tokens: 200 }, 6);
    const poison = (source: HostTensor) => {
      const values = (source.array as Float32Array).slice();
      for (let row = 0; row < heads * 200; row++) {
        if (row % 200 >= present) values.fill(1e6, row * headDim, (row + 1) * headDim);
      }
      return tensor(values, source.shape);
    };
    const cut = (source: HostTensor) => {
      const values = new Float32Array(heads * present * headDim);
      for (let head = 0; head < heads; head++) {
        const start = head * 200 * headDim;
        values.set((source.array as Float32Array).subarray(start, start + present * headDim), head * present * headDim);
      }
      return tensor(values, [1, heads, present, headDim]);
    };
    const gate = await fitted({ k, shape: selected });
    const [query, key] = [poison(whole.query), poison(whole.key)];
    const keyMask = tensor(
      Uint8Array.from({ length: 200 }, (_, i) => Number(i < present)),
      [1, 200],
    );
    const padded = await gate.select({ backend: backend(), query, key, keyMask });
    const alone = await gate.select({ backend: backend(), query: cut(whole.query), key: cut(whole.key) });

    const start = async (values: Selection['keyOrder'], length: number) =>
      [...((await values!.data()) as Int32Array)].slice(0, length);
    // Of the first head: the present tokens come first, in the order they have alone.
    expect(await start(padded.keyOrder, present)).toEqual(await start(alone.keyOrder, present));
    // The last tile of blocks, which padding shares, is left out.
    const tiles = Math.floor(present / padded.tileQueries);
    const slots = padded.indices.shape[3];
    expect(alone.indices.shape[3]).toBe(slots);
    expect(await start(padded.indices, tiles * slots)).toEqual(await start(alone.indices, tiles * slots));
  });

  it.each(['lists', 'blocks'] as const)('selects all keys as %s when k is more than there are', async (selected) => {
    const short = clustered({ ...shape, tokens: 50 }, 7);
    const quality = await qualityOf({ k: 60, shape: selected }, short);
    expect(quality.recall).toBeCloseTo(1, 5);
    expect(quality.error).toBeLessThan(1e-5);
  });

  it('keeps the natural order and drops the residual when causal', async () => {
    const short = clustered({ ...shape, tokens: 60 }, 7);
    for (const selected of ['auto', 'blocks'] as const) {
      const gate = await fitted({ k: 16, shape: selected });
      const selection = await gate.select({ backend: backend(), ...short, causal: true });
      expect(selection.residualGroup).toBe(0);
      expect(selection.keyOrder).toBeUndefined();
      const quality = await measureSelection({ backend: backend(), ...short, causal: true, selection });
      expect(quality.recall).toBeGreaterThan(selected === 'auto' ? 0.7 : 0.3);
    }
  });

  it('repeats itself exactly', async () => {
    const [first, second] = [await fitted({ k, shape: 'blocks' }), await fitted({ k, shape: 'blocks' })];
    const read = async (gate: ContentGate) => {
      const selection = await gate.select({ backend: backend(), ...inputs });
      return Promise.all([selection.indices.data(), selection.keyOrder!.data(), selection.queryOrder!.data()]);
    };
    const reference = await read(first);
    expect(await read(first)).toEqual(reference);
    expect(await read(second)).toEqual(reference);
  });
});

describe('the plain implementation', () => {
  it('shows what content order and residual are for', () => {
    expect(expected.lists).toBeLessThan(0.5 * expected.bareLists);
    expect(expected.blocks).toBeLessThan(0.5 * expected.bareLists);
  });
});
