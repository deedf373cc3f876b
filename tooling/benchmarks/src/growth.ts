// bench:growth: whether the time of sparse attention, gate included, grows with the length and not with its square.

import type { ContentShape } from '@flashmla/gating';
import { provider } from '@flashmla/kernels-cpu';
import { fitOnNoise, fittedGate, headDim, heads, runSparse, type Times, uploadInputs } from './attention-workload.ts';
import { badInput, main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { alternate, type Spread, spreadOf } from './statistics.ts';
import { milliseconds, table, verdict } from './table.ts';

const bar = { from: 8192, to: 32768, times: 5 };
const shapes: readonly ContentShape[] = ['lists', 'blocks'];
const warmUp = 1;

interface Result {
  readonly shape: ContentShape;
  readonly tokens: number;
  /** Gate and attention. */
  readonly ms: Spread;
  readonly gateMs: Spread;
}

void main({
  name: 'growth',
  summary: `sparse attention alone, gate included, ${heads} heads × ${headDim}: median time by length.`,
  options: {
    tokens: 'lengths; default 4096,8192,16384,32768',
    k: 'keys a query selects; default 64',
    rank: 'gate dimensions of each head: 8, 16 or 32; default 8, which the heads of real models take',
    threads: 'default 2',
    runs: 'timed runs of each shape and length; default 7',
  },

  async run(values) {
    const lengths = (values.tokens ?? '4096,8192,16384,32768').split(',').map((one) => whole('tokens', one, 1));
    if (new Set(lengths).size < lengths.length) throw badInput(`--tokens ${values.tokens} names a length twice.`);
    const k = whole('k', values.k, 64);
    const runs = whole('runs', values.runs, 7);
    const rank = whole('rank', values.rank, 8);
    progress('fitting the gate');
    const state = await fitOnNoise(k, rank);
    const backend = await provider.open({ threads: whole('threads', values.threads, 2) });
    const cases = lengths.flatMap((tokens) => {
      const inputs = uploadInputs(backend, tokens);
      return shapes.map((shape) => {
        const gate = fittedGate(state, k, shape);
        return { shape, tokens, run: () => runSparse(backend, inputs, gate) };
      });
    });
    progress(`${warmUp + runs} rounds of ${cases.length} cases`);
    const times = await alternate(
      cases.map(({ run }) => run),
      warmUp + runs,
    );
    progress('');
    const results = cases.map(({ shape, tokens }, index): Result => {
      const timed = times[index].slice(warmUp);
      const of = (which: keyof Times) => spreadOf(timed.map((one) => one[which]));
      return { shape, tokens, ms: of('totalMs'), gateMs: of('gateMs') };
    });
    const machine = describeMachine(backend);
    await backend.dispose();

    const growth = shapes.flatMap((shape) => growthOf(shape, results));
    return {
      json: {
        ...{ benchmark: 'growth', machine, heads, headDim, k, ranks: state.ranks },
        ...{ warmUp, runs, results, growth, bar },
      },
      text: [
        machineLine(machine),
        `attention alone, gate included, batch 1, ${heads} heads × ${headDim}, K ${k}, ranks ${[...new Set(state.ranks)].join(', ')};`,
        `${warmUp} round to warm up, then ${runs}, all shapes and lengths in turn`,
        '',
        table(['shape', 'tokens', 'median', 'least', 'most', 'gate', 'µs / token'], results.map(row)),
        ...growth.map(
          ({ shape, times, holds }) =>
            `${shape}: ${bar.to} against ${bar.from} tokens ${times.toFixed(2)}× the time; ` +
            `bar: ≤ ${bar.times}×: ${verdict(holds)}`,
        ),
        ...(growth.length === 0 ? [`the bar compares ${bar.to} with ${bar.from} tokens; both were not measured`] : []),
        '',
      ].join('\n'),
    };
  },
});

const row = ({ shape, tokens, ms, gateMs }: Result): string[] => [
  shape,
  String(tokens),
  ...[ms.median, ms.least, ms.most, gateMs.median].map(milliseconds),
  ((1000 * ms.median) / tokens).toFixed(2),
];

function growthOf(shape: ContentShape, results: readonly Result[]) {
  const median = (tokens: number) => results.find((one) => one.shape === shape && one.tokens === tokens)?.ms.median;
  const [short, long] = [median(bar.from), median(bar.to)];
  if (short === undefined || long === undefined) return [];
  const times = long / short;
  return [{ shape, from: bar.from, to: bar.to, times, holds: times <= bar.times }];
}
