import { ContentGate, type ContentShape, measureSelection } from '@flashmla/gating';
import { provider } from '@flashmla/kernels-cpu';
import { type Backend, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { trueBlocks, trueLists } from '../src/gate-error/floors.ts';
import { withGroups } from '../src/gate-error/selector.ts';

const [tokens, heads, headDim] = [150, 2, 16];
let backend: Backend;

beforeAll(async () => {
  backend = await provider.open({ threads: 1 });
});
afterAll(() => backend.dispose());

const noise = (seed: number) =>
  tensor(randomNormal(tokens * heads * headDim, randomSource(seed)), [1, tokens, heads, headDim]);
const inputs = () => ({
  ...{ backend, query: noise(1), key: noise(2), layout: 'tokens-first' as const, scale: 0.5 },
});

async function gateOf(shape: ContentShape, k: number): Promise<ContentGate> {
  const gate = new ContentGate({ k, shape, rank: 4 });
  const values = (seed: number) => noise(seed).array as Float32Array;
  await gate.fit([{ query: values(3), key: values(4), tokens }], { heads, headDim });
  return gate;
}

test.each([
  ['lists', 8, trueLists],
  ['blocks', 32, trueBlocks],
] as const)('the floor of %s holds more attention than the gate finds', async (shape, k, floorOf) => {
  const measured = async (selection: Awaited<ReturnType<ContentGate['select']>>) =>
    measureSelection({ ...inputs(), value: noise(5), selection });
  using gate = await gateOf(shape, k);
  using floor = floorOf(await gateOf(shape, k));
  using found = await gate.select(inputs());
  using best = await floor.select(inputs());
  expect(best.indices.shape).toEqual(found.indices.shape);
  expect(best.residualGroup).toBe(found.residualGroup);
  expect((await measured(best)).recall).toBeGreaterThan((await measured(found)).recall);
});

test('groups can be overruled', async () => {
  using selector = withGroups(await gateOf('lists', 8), 64);
  using selection = await selector.select(inputs());
  expect(selection.residualGroup).toBe(64);
});
