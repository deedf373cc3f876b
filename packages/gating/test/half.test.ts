// Gates over queries and keys in half precision: the gate space stays float32, so that they select what they select from
// the same numbers in float32.

import { referenceBackend } from '@flashmla/conformance';
import { type Backend, castTo, type HostTensor, type Selection, tensor } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BlockGate, ContentGate, type Gate, measureSelection, OracleGate, SlotGate, StaticGate } from '../src/index.ts';
import { clustered, inLayout } from './data.ts';

const [batch, heads, tokens, headDim, modelDim] = [2, 2, 90, 8, 12];

/** The numbers that float16 has nearest to the given ones, in both precisions. */
const both = (values: HostTensor) => {
  const half = castTo(values, 'float16');
  return { float16: half, float32: castTo(half, 'float32') };
};

const given = clustered({ batch, heads, tokens, headDim }, 7);
const tokensFirst = (name: 'query' | 'key' | 'value') => both(inLayout(given[name], 'tokens-first'));
const inputs = { query: tokensFirst('query'), key: tokensFirst('key'), value: tokensFirst('value') };
const hidden = both(
  tensor(
    Float32Array.from({ length: batch * tokens * modelDim }, (_, i) => Math.sin(i * i)),
    [batch, tokens, modelDim],
  ),
);

const weights = {
  query: tensor(
    Float32Array.from({ length: heads * headDim * 4 }, (_, i) => Math.sin(i)),
    [heads, headDim, 4],
  ),
  key: tensor(
    Float32Array.from({ length: heads * 3 * headDim * 4 }, (_, i) => Math.cos(i)),
    [heads, 3 * headDim, 4],
  ),
};

const makers: Record<string, () => Gate> = {
  'content lists': () => new ContentGate({ shape: 'lists', rank: 4 }),
  'content blocks': () => new ContentGate({ shape: 'blocks', rank: 4 }),
  'content, the shape measured': () => new ContentGate({ k: 64, rank: 4 }),
  block: () => new BlockGate(),
  'block with learned weights': () => new BlockGate({ weights }),
  static: () => new StaticGate(),
  oracle: () => new OracleGate(),
};

describe('gates in float16', () => {
  let backend: Backend;
  beforeAll(() => {
    backend = referenceBackend();
  });
  afterAll(() => backend.dispose());

  const select = (gate: Gate, dtype: 'float16' | 'float32') =>
    gate.select({
      ...{ backend, layout: 'tokens-first', k: gate.k ?? 20 },
      ...{ query: inputs.query[dtype], key: inputs.key[dtype], hidden: hidden[dtype] },
    });
  const numbersOf = async ({ indices, keyOrder, queryOrder }: Selection) =>
    Promise.all([indices, keyOrder, queryOrder].map(async (part) => part && [...((await part.data()) as Int32Array)]));

  it.each(Object.entries(makers))('%s: as in float32, and leaving nothing behind', async (_, make) => {
    const before = backend.memory().usedBytes;
    using gate = make();
    using half = await select(gate, 'float16');
    using single = await select(gate, 'float32');
    expect(await numbersOf(half)).toEqual(await numbersOf(single));
    half.dispose();
    single.dispose();
    gate.dispose();
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('slot: scores are rounded, so that nearly as in float32', async () => {
    using gate = new SlotGate({ slotCount: 4 });
    using half = await select(gate, 'float16');
    using single = await select(gate, 'float32');
    const [[a], [b]] = [await numbersOf(half), await numbersOf(single)];
    const alike = a!.filter((key, i) => key === b![i]).length / a!.length;
    expect(alike).toBeGreaterThan(0.8);
    expect(alike).toBeLessThanOrEqual(1);
  });

  it('a selection is measured in float16 as in float32', async () => {
    using gate = new OracleGate({ k: 12 });
    using selection = await select(gate, 'float16');
    const measure = (dtype: 'float16' | 'float32') => {
      const { query, key, value } = inputs;
      const tensors = { query: query[dtype], key: key[dtype], value: value[dtype] };
      return measureSelection({ backend, layout: 'tokens-first', selection, ...tensors });
    };
    const [half, single] = [await measure('float16'), await measure('float32')];
    expect(half.recall).toBeCloseTo(single.recall, 6);
    expect(half.error).toBeCloseTo(single.error, 2);
  });

  it('refuses query and key of two precisions', async () => {
    const mixed = { backend, layout: 'tokens-first', query: inputs.query.float16, key: inputs.key.float32 } as const;
    await expect(new OracleGate().select(mixed)).rejects.toThrow(
      '[gating] oracle: key is float32 [2, 90, 2, 8]; expected float16 like query. Convert it.',
    );
  });
});
