// The measure of a selection, on cases whose answer is known.

import { selection, tensor } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { measureSelection } from '../src/index.ts';
import { onEachBackend } from './backends.ts';
import { clustered, inLayout } from './data.ts';

onEachBackend('measureSelection', (backend) => {
  // One head, two queries, three keys with logits 0, ln 2, ln 5 (scale 1): masses 1/8, 2/8, 5/8.
  const query = tensor(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0), [1, 1, 2, 4]);
  const key = tensor(Float32Array.of(0, 0, 0, 0, Math.log(2), 0, 0, 0, Math.log(5), 0, 0, 0), [1, 1, 3, 4]);
  const value = tensor(Float32Array.of(8, 0, 0, 0, 0, 8, 0, 0, 0, 0, 8, 0), [1, 1, 3, 4]);
  const lists = (indices: number[], residualGroup = 0) =>
    selection({
      ...{ tileQueries: 1, blockKeys: 1, indices: Int32Array.from(indices), shape: [1, 1, 2, indices.length / 2] },
      residualGroup,
    });
  const measure = (chosen: ReturnType<typeof lists>) =>
    measureSelection({ backend: backend(), query, key, value, scale: 1, selection: chosen });

  it('is the attention mass selected, and the distance of the outputs', async () => {
    const { recall, error, heads } = await measure(lists([2, 1]));
    expect(recall).toBeCloseTo((5 / 8 + 2 / 8) / 2, 5);
    // Dense [1, 2, 5]; sparse [0, 0, 8] and [0, 8, 0].
    expect(error).toBeCloseTo(Math.sqrt((1 + 4 + 9 + 1 + 36 + 25) / 60), 5);
    expect(heads).toEqual([{ recall, error }]);
  });

  it('is 1 and 0 for all keys', async () => {
    const { recall, error } = await measure(lists([0, 1, 2, 0, 1, 2]));
    expect(recall).toBeCloseTo(1, 6);
    expect(error).toBeLessThan(1e-6);
  });

  it('counts residual groups in the error, not in the recall', async () => {
    const { recall, error } = await measure(lists([2, 2], 3));
    expect(recall).toBeCloseTo(5 / 8, 5);
    // The group of keys 0 and 1: weight 2·√2 and value [4, 4].
    const weight = 2 * Math.SQRT2;
    const output = [(4 * weight) / (weight + 5), (4 * weight) / (weight + 5), 40 / (weight + 5)];
    const apart = (output[0] - 1) ** 2 + (output[1] - 2) ** 2 + (output[2] - 5) ** 2;
    expect(error).toBeCloseTo(Math.sqrt(apart / 30), 5);
  });

  it('leaves padding out, in both layouts', async () => {
    const inputs = clustered({ batch: 2, heads: 2, tokens: 20, headDim: 8 }, 1);
    const keyMask = tensor(
      Uint8Array.from({ length: 40 }, (_, i) => Number(i < 20 || i < 25)),
      [2, 20],
    );
    // Each query of the second text selects its 5 present keys, each of the first all keys.
    const everything = selection({
      ...{ tileQueries: 20, blockKeys: 20, indices: new Int32Array(4), shape: [2, 2, 1, 1] },
    });
    for (const layout of ['heads-first', 'tokens-first'] as const) {
      const { recall, error } = await measureSelection({
        backend: backend(),
        query: inLayout(inputs.query, layout),
        key: inLayout(inputs.key, layout),
        value: inLayout(inputs.value, layout),
        ...{ layout, keyMask, selection: everything },
      });
      expect(recall).toBeCloseTo(1, 5);
      expect(error).toBeLessThan(1e-5);
    }
  });
});
