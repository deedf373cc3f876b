// bench:webgpu-attention: attention alone on WebGPU in Node, sparse with its gate against dense, on the same adapter.

import { denseAttention } from '@flashmla/attention';
import type { ContentShape } from '@flashmla/gating';
import { provider } from '@flashmla/kernels-webgpu';
import type { Backend } from '@flashmla/tensor';
import { fitOnNoise, fittedGate, headDim, heads, type Inputs, runSparse, uploadInputs } from './attention-workload.ts';
import { main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { alternate, type Spread, spreadOf } from './statistics.ts';
import { milliseconds, table, verdict } from './table.ts';

/** Tokens → how many times as fast as dense the faster shape has to be. */
const bars = new Map([
  [1024, 1.5],
  [4096, 6],
]);
const shapes: readonly ContentShape[] = ['lists', 'blocks'];
const warmUp = 1;

interface Result {
  readonly tokens: number;
  readonly ms: Readonly<Record<'dense' | ContentShape, Spread>>;
}

void main({
  name: 'webgpu-attention',
  summary: `attention alone on WebGPU, ${heads} heads × ${headDim}: dense against sparse, gate included.`,
  options: {
    tokens: 'lengths; default 1024,4096',
    k: 'keys a query selects; default 64',
    rank: 'gate dimensions of each head: 8, 16 or 32; default 8, which the heads of real models take',
    runs: 'timed runs of each; default 3',
  },

  async run(values) {
    const lengths = (values.tokens ?? '1024,4096').split(',').map((one) => whole('tokens', one, 1));
    const k = whole('k', values.k, 64);
    const runs = whole('runs', values.runs, 3);
    progress('fitting the gate');
    const state = await fitOnNoise(k, whole('rank', values.rank, 8));
    const backend = await provider.open();
    const results: Result[] = [];
    for (const tokens of lengths) {
      progress(`${tokens} tokens`);
      const inputs = uploadInputs(backend, tokens);
      const gates = shapes.map((shape) => fittedGate(state, k, shape));
      const sparse = gates.map((gate) => async () => (await runSparse(backend, inputs, gate)).totalMs);
      const times = await alternate([() => runDense(backend, inputs), ...sparse], warmUp + runs);
      const [dense, lists, blocks] = times.map((timed) => spreadOf(timed.slice(warmUp)));
      results.push({ tokens, ms: { dense, lists, blocks } });
      for (const tensor of Object.values(inputs)) tensor.dispose();
    }
    progress('');
    const machine = describeMachine(backend);
    await backend.dispose();
    return {
      json: { benchmark: 'webgpu-attention', machine, heads, headDim, k, ranks: state.ranks, warmUp, runs, results },
      text: [
        machineLine(machine),
        `attention alone, gate included, batch 1, ${heads} heads × ${headDim}, K ${k}; ${warmUp} round to warm up, then ${runs}`,
        '',
        table(['tokens', 'dense', 'lists', 'blocks', 'dense ÷ lists', 'dense ÷ blocks'], results.map(row)),
        ...results.flatMap(({ tokens, ms }) => {
          const bar = bars.get(tokens);
          if (bar === undefined) return [];
          const times = ms.dense.median / Math.min(ms.lists.median, ms.blocks.median);
          return [`${tokens} tokens: ${times.toFixed(1)}× as fast as dense; bar: ≥ ${bar}×: ${verdict(times >= bar)}`];
        }),
        '',
      ].join('\n'),
    };
  },
});

async function runDense(backend: Backend, inputs: Inputs): Promise<number> {
  const start = performance.now();
  const { output, lse } = await denseAttention(backend, inputs);
  await backend.synchronize();
  output.dispose();
  lse.dispose();
  return performance.now() - start;
}

const row = ({ tokens, ms }: Result): string[] => [
  String(tokens),
  ...[ms.dense, ms.lists, ms.blocks].map(({ median }) => milliseconds(median)),
  ...[ms.lists, ms.blocks].map(({ median }) => (ms.dense.median / median).toFixed(2)),
];
