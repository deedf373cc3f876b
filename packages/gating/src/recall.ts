// How good a selection is: the attention it holds, and how far its output is from dense attention's.

import {
  checkFloats,
  headsStrides,
  type Layout,
  readFloat32,
  recoverFor,
  type Selection,
  type Tensor,
} from '@flashmla/tensor';
import { type Attended, type AttendInputs, attend, attendAll, selectionOnDevice } from './attend.ts';
import type { GateInputs } from './gate.ts';
import { masksOf, type Sizes, sizesOf, Temporaries } from './gate-call.ts';

export interface RecallInputs
  extends Pick<
    GateInputs,
    'backend' | 'query' | 'key' | 'layout' | 'keyMask' | 'queryMask' | 'causal' | 'scale' | 'signal'
  > {
  /** The dtype and shape of `key`. */
  value: Tensor;
  selection: Selection;
}

export interface Quality {
  /**
   * Share of dense attention's mass on the selected keys, exp(lse of the selected keys − lse of all), mean over queries.
   * Residual groups don't count.
   */
  readonly recall: number;
  /** ‖sparse − dense‖ / ‖dense‖ of the outputs, over the queries of a head in one text; residual groups count. */
  readonly error: number;
}

export interface SelectionQuality extends Quality {
  /** Mean over the texts of the batch, for each head; the figures above are their means over the heads. */
  readonly heads: readonly Quality[];
}

/**
 * Compares a selection with dense attention, which it runs for it. Queries that are padding are left out; a batch without
 * any other gives NaN. Nothing that is given is disposed.
 */
export async function measureSelection(inputs: RecallInputs): Promise<SelectionQuality> {
  const { selection, layout = 'heads-first', causal = false, signal } = inputs;
  const sizes = sizesOf('measureSelection', inputs);
  checkFloats('[gating] measureSelection:', { key: inputs.key, value: inputs.value });
  const scale = inputs.scale ?? 1 / Math.sqrt(sizes.headDim);
  await recoverFor(inputs.backend, inputs.query, inputs.key, inputs.value);
  const temporaries = new Temporaries(inputs.backend);
  try {
    const onDevice = (given: Tensor) => temporaries.onDevice(given);
    const attended: AttendInputs = {
      query: await onDevice(inputs.query),
      key: await onDevice(inputs.key),
      value: await onDevice(inputs.value),
      masks: await masksOf('measureSelection', inputs, sizes, temporaries),
      ...{ layout, scale, causal, signal },
    };
    const lists = await selectionOnDevice(selection, temporaries);
    const read = async ({ output, lse }: Attended): Promise<Results> => {
      temporaries.add(output);
      temporaries.add(lse);
      return { output: await readFloat32(output), lse: await readFloat32(lse) };
    };
    const dense = await read(await attendAll(sizes, attended));
    const sparse = await read(await attend(sizes, attended, lists));
    const alone =
      selection.residualGroup > 0 && (await read(await attend(sizes, attended, { ...lists, residualGroup: 0 })));
    const present = attended.masks && ((await attended.masks.queryMask.data()) as Uint8Array);
    return compare(sizes, layout, dense, { output: sparse.output, lse: (alone || sparse).lse }, present);
  } finally {
    temporaries.dispose();
  }
}

/** [batch, heads, queries] lse, and the output as the layout says. */
interface Results {
  readonly output: Float32Array;
  readonly lse: Float32Array;
}

function compare(
  sizes: Sizes,
  layout: Layout,
  dense: Results,
  sparse: Results,
  present: Uint8Array | undefined,
): SelectionQuality {
  const heads = range(sizes.heads).map((head): Quality => {
    const texts = range(sizes.batch).flatMap((text) => {
      const queries = range(sizes.queries).filter((query) => present?.[text * sizes.queries + query] !== 0);
      return queries.length > 0 ? [compareHead(sizes, layout, dense, sparse, text, head, queries)] : [];
    });
    return meanQuality(texts);
  });
  return { ...meanQuality(heads), heads };
}

/** Over the given queries of one head in one text. */
function compareHead(
  { heads, queries: tokens, headDim }: Sizes,
  layout: Layout,
  dense: Results,
  sparse: Results,
  text: number,
  head: number,
  queries: readonly number[],
): Quality {
  const strides = headsStrides(layout, heads, tokens, headDim);
  let mass = 0;
  let apart = 0;
  let norm = 0;
  for (const query of queries) {
    const row = (text * heads + head) * tokens + query;
    // A query that sees no key at all, e.g. a causal one before the first, has no mass to miss.
    mass += dense.lse[row] === Number.NEGATIVE_INFINITY ? 1 : Math.exp(sparse.lse[row] - dense.lse[row]);
    const start = text * strides.batch + head * strides.head + query * strides.token;
    for (let i = start; i < start + headDim; i++) {
      apart += (sparse.output[i] - dense.output[i]) ** 2;
      norm += dense.output[i] ** 2;
    }
  }
  return { recall: mass / queries.length, error: apart === 0 ? 0 : Math.sqrt(apart / norm) };
}

function meanQuality(qualities: readonly Quality[]): Quality {
  const mean = (which: keyof Quality) => qualities.reduce((sum, quality) => sum + quality[which], 0) / qualities.length;
  return { recall: mean('recall'), error: mean('error') };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
