// How fast sparse attention with a list for each query gathers rows, against a copy on the same device. Both are timed by the
// device's own events, kernel by kernel: launches cost neither of them anything.

import {
  type Backend,
  type DeviceTensor,
  type EmbeddingProblem,
  fromFloat32,
  type Problem,
  randomSource,
  type SparseAttentionProblem,
  tensor,
} from '@flashmla/tensor';
import { type Spread, spreadOf } from '../statistics.ts';

export interface GatherSizes {
  readonly heads: number;
  readonly tokens: number;
  readonly headDim: number;
  readonly k: number;
}

/** A kernel that moves bytes. */
export interface Traffic {
  /** What it reads and writes, each time that it does. */
  readonly bytes: number;
  readonly ms: Spread;
}

export interface Gather {
  readonly gather: Traffic;
  readonly copy: Traffic;
}

/** Features of a row that is copied. */
const copyWidth = 2048;

export async function measureGather(
  backend: Backend,
  sizes: GatherSizes,
  rounds: { readonly warmUp: number; readonly runs: number },
): Promise<Gather> {
  const { heads, tokens, headDim, k } = sizes;
  const attention: SparseAttentionProblem = {
    op: 'sparse-attention',
    ...{ batch: 1, heads, queries: tokens, keys: tokens, headDim, layout: 'tokens-first', scale: headDim ** -0.5 },
    ...{ mask: false, causal: false, tileQueries: 1, blockKeys: 1, slots: k, keyOrder: false, queryOrder: false },
    ...{ residualGroup: 0, dtype: 'float16' },
  };
  // Rows of a table, each at its own place.
  const copy: EmbeddingProblem = {
    op: 'embedding',
    ...{ rows: tokens, modelDim: copyWidth, vocabulary: tokens, positions: 0, types: 0 },
  };
  const gatherMs = await timeKernel(backend, attention, 'sparse_queries', rounds, () =>
    attentionTensors(backend, sizes),
  );
  const copyMs = await timeKernel(backend, copy, 'embedding', rounds, () => ({
    inputs: {
      tokenIds: backend.upload(
        tensor(
          Int32Array.from({ length: tokens }, (_, row) => row),
          [tokens],
        ),
      ),
      word: backend.upload(tensor(new Float32Array(tokens * copyWidth).fill(0.5), [tokens, copyWidth])),
    },
    outputs: { output: backend.allocate([tokens, copyWidth], 'float32') },
  }));
  // Of a query in float16: key and value of each key that it lists, itself and its output; its list with its length; lse.
  const bytesOfQuery = 2 * 2 * headDim * (k + 1) + 4 * (k + 1) + 4;
  return {
    gather: { bytes: heads * tokens * bytesOfQuery, ms: gatherMs },
    copy: { bytes: 2 * 4 * tokens * copyWidth, ms: copyMs },
  };
}

interface Bindings {
  readonly inputs: Readonly<Record<string, DeviceTensor>>;
  readonly outputs: Readonly<Record<string, DeviceTensor>>;
}

/** Lists of different keys, spread over all of them; what the rows hold changes no time. */
function attentionTensors(backend: Backend, { heads, tokens, headDim, k }: GatherSizes): Bindings {
  const random = randomSource(1);
  const indices = Int32Array.from({ length: heads * tokens * k }, (_, at) =>
    Math.floor((((at % k) + random()) * tokens) / k),
  );
  const rows = tensor(
    fromFloat32(new Float32Array(heads * tokens * headDim).fill(0.5), 'float16'),
    [1, tokens, heads, headDim],
    'float16',
  );
  const [query, key, value] = [1, 2, 3].map(() => backend.upload(rows));
  return {
    inputs: {
      query: query!,
      key: key!,
      value: value!,
      indices: backend.upload(tensor(indices, [1, heads, tokens, k])),
    },
    outputs: {
      output: backend.allocate([1, tokens, heads, headDim], 'float16'),
      lse: backend.allocate([1, heads, tokens], 'float32'),
    },
  };
}

/** Milliseconds of the kernels of an op whose name begins so, in each run. */
async function timeKernel(
  backend: Backend,
  problem: Problem,
  kernel: string,
  { warmUp, runs }: { readonly warmUp: number; readonly runs: number },
  make: () => Bindings,
): Promise<Spread> {
  const program = await backend.prepare(problem);
  const { inputs, outputs } = make();
  try {
    const times: number[] = [];
    for (let round = 0; round < warmUp + runs; round++) {
      const { ops } = await backend.profile(async () => backend.dispatch(program, inputs, outputs));
      const timed = ops.flatMap(({ kernels }) => kernels).filter(({ name }) => name.startsWith(kernel));
      times.push(timed.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0));
    }
    return spreadOf(times.slice(warmUp));
  } finally {
    for (const bound of [...Object.values(inputs), ...Object.values(outputs)]) bound.dispose();
  }
}
