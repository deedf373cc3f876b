// Long lists are found in two levels. They must hold nearly what one level finds.

import { provider } from '@flashmla/kernels-cpu';
import { type DeviceTensor, execute, type HostTensor, type Selection, selectionOf } from '@flashmla/tensor';
import { expect, it } from 'vitest';
import { ContentGate, measureSelection } from '../src/index.ts';
import { clustered, sampleOf } from './data.ts';

const sizes = { batch: 1, heads: 2, tokens: 3000, headDim: 32 };

it.each([0.4, 1.2])('two levels hold nearly the attention that one level holds, at sharpness %s', async (sharpness) => {
  const backend = await provider.open({ threads: 2 });
  const inputs = clustered({ ...sizes, sharpness }, 1);
  const gate = new ContentGate({ k: 64, shape: 'lists', rank: 8 });
  await gate.fit([sampleOf(clustered({ ...sizes, sharpness, tokens: 500 }, 2))], sizes);

  const { queryMap, keyMap } = gate.state();
  const { batch, heads, tokens, headDim } = sizes;
  const project = async (source: HostTensor, map: HostTensor): Promise<DeviceTensor> => {
    const problem = {
      op: 'gate-projection',
      batch,
      heads,
      tokens,
      features: headDim,
      rank: 8,
      layout: 'heads-first',
    } as const;
    return (await execute(backend, problem, { input: backend.upload(source), map: backend.upload(map) })).output;
  };
  const [query, key] = [await project(inputs.query, queryMap), await project(inputs.key, keyMap)];
  const { indices } = await execute(
    backend,
    {
      ...{ op: 'select-top-k', batch, heads, queries: tokens, keys: tokens, rank: 8, tileQueries: 1, blockKeys: 1 },
      ...{
        slots: 64,
        headSlots: false,
        keyOrder: false,
        queryOrder: false,
        mask: false,
        causal: false,
        forceFirst: 0,
        forceDiagonal: 0,
      },
      ...{ biasSpan: -1, coarseBlocks: 0, coarseSlots: 0 },
    },
    { query, key },
  );
  const recall = async (selection: Selection) => (await measureSelection({ backend, ...inputs, selection })).recall;
  const oneLevel = await recall(selectionOf({ tileQueries: 1, blockKeys: 1, indices, residualGroup: 0 }));
  const twoLevels = await recall(await gate.select({ backend, ...inputs }));
  await backend.dispose();
  expect(twoLevels).toBeGreaterThan(0.98 * oneLevel);
});
