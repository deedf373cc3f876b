// Lists or blocks? Which shape of selection is faster on a device is measured once, and remembered.

import { measured } from '@flashmla/backend';
import { type Backend, breather, castTo, type Layout, randomSource, randomUniform, tensor } from '@flashmla/tensor';
import { attend, attendProblem, selectionOnDevice } from './attend.ts';
import {
  type ContentPlan,
  type ContentShape,
  contentBlock,
  type DeviceMaps,
  selectByContent,
  slotsFor,
} from './content-selection.ts';
import { type GateCall, type Sizes, Temporaries, withCall } from './gate-call.ts';
import { residualGroup } from './residual-group.ts';

/** With fewer blocks a tile of 16 queries has too little to choose from: lists then, whatever they cost (docs/decisions/0008). */
const fewestTokensInBlocks = 4 * contentBlock;
/** Measured on at most this many tokens: by then both shapes cost the same per token at any length. */
const mostTokens = 2048;
const fewestTokens = 128;
const runs = 3;

interface ShapeTimes {
  readonly listsMs: number;
  readonly blocksMs: number;
}

/**
 * The shape that is faster at equal error on the call's backend, for its heads, its class of length (the power of two
 * below it, from 128 to 2048) and k. A shape that the backend refuses is not considered.
 *
 * Equal error: k tokens in blocks do what half as many do as single keys (see ContentGate), so that is what is timed.
 */
export async function fasterShape(call: GateCall, maps: DeviceMaps, residual: boolean): Promise<ContentShape> {
  const { backend, heads, headDim, dtype, layout } = call;
  const tokens = Math.min(mostTokens, Math.max(fewestTokens, 2 ** Math.floor(Math.log2(Math.max(1, call.keys)))));
  const sizes: Sizes = { batch: 1, heads, headDim, dtype, queries: tokens, keys: tokens };
  const k = Math.min(call.k, tokens);
  const blocks: ContentPlan = { shape: 'blocks', k, residual };
  const lists: ContentPlan = { shape: 'lists', k: Math.ceil(k / 2), residual };
  if (!canAttend(backend, sizes, layout, lists)) return 'blocks';
  if (call.k < fewestTokensInBlocks || !canAttend(backend, sizes, layout, blocks)) return 'lists';
  const key =
    `gating.content-shape heads=${heads} headDim=${headDim} rank=${maps.rank} tokens=${tokens} k=${k} ` +
    `layout=${layout} residual=${residual} dtype=${dtype}`;
  const measure = () => timeShapes(backend, sizes, layout, maps, lists, blocks);
  const { listsMs, blocksMs } = await measured(backend, key, measure, isShapeTimes);
  return blocksMs < listsMs ? 'blocks' : 'lists';
}

function canAttend(backend: Backend, sizes: Sizes, layout: Layout, { shape, k, residual }: ContentPlan): boolean {
  const blocks = shape === 'blocks';
  const size = blocks ? contentBlock : 1;
  const selection = { tileQueries: size, blockKeys: size, residualGroup: residual ? residualGroup(sizes.keys) : 0 };
  const lists = { slots: slotsFor(shape, k, sizes.keys), keyOrder: blocks || residual, queryOrder: blocks };
  const problem = attendProblem(sizes, { layout, scale: 1, causal: false }, selection, lists);
  return backend.supports(problem).supported;
}

/** The least time of gate and attention together, over alternated runs on the same random input, after a run of each. */
async function timeShapes(
  backend: Backend,
  sizes: Sizes,
  layout: Layout,
  maps: DeviceMaps,
  lists: ContentPlan,
  blocks: ContentPlan,
): Promise<ShapeTimes> {
  const temporaries = new Temporaries(backend);
  try {
    const random = randomSource(1);
    const { batch, heads, keys, headDim } = sizes;
    const shape = layout === 'heads-first' ? [batch, heads, keys, headDim] : [batch, keys, heads, headDim];
    const breathe = breather();
    const noise = async () => {
      const values = randomUniform(batch * heads * keys * headDim, random);
      await breathe();
      return temporaries.add(backend.upload(castTo(tensor(values, shape), sizes.dtype)));
    };
    const [query, key, value] = [await noise(), await noise(), await noise()];

    const time = async (plan: ContentPlan) => {
      await backend.synchronize();
      const start = performance.now();
      const gate = { name: 'content', k: plan.k } as const;
      const selection = await withCall(gate, { backend, query, key, layout }, (call) =>
        selectByContent(call, maps, plan),
      );
      try {
        const inputs = { query, key, value, layout, scale: 1 / Math.sqrt(headDim), causal: false };
        const { output, lse } = await attend(sizes, inputs, await selectionOnDevice(selection, temporaries));
        output.dispose();
        lse.dispose();
        await backend.synchronize();
        return performance.now() - start;
      } finally {
        selection.dispose();
      }
    };
    await time(lists);
    await time(blocks);
    let [listsMs, blocksMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let run = 0; run < runs; run++) {
      listsMs = Math.min(listsMs, await time(lists));
      blocksMs = Math.min(blocksMs, await time(blocks));
    }
    return { listsMs, blocksMs };
  } finally {
    temporaries.dispose();
  }
}

function isShapeTimes(value: unknown): value is ShapeTimes {
  if (typeof value !== 'object' || value === null) return false;
  const { listsMs, blocksMs } = value as Record<string, unknown>;
  return Number.isFinite(listsMs) && Number.isFinite(blocksMs);
}
