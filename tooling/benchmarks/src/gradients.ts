// bench:gradients: what a gradient costs in forward passes of the same op, with BERT-base's sizes, on the CPU.
//
// Inputs are noise, selections are drawn at random, as long for every query: no list's length can be told from a real one.

import { provider } from '@flashmla/kernels-cpu';
import {
  type Backend,
  ceilDivide,
  elementCount,
  inputSpecs,
  outputSpecs,
  type Problem,
  randomNormal,
  randomSource,
  shuffled,
  type TensorSpec,
  type Tensors,
  tensor,
} from '@flashmla/tensor';
import { main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { alternate, spreadOf } from './statistics.ts';
import { table } from './table.ts';

const warmUp = 2;
const modelDim = 768;

interface Pair {
  readonly label: string;
  readonly forward: Problem;
  readonly gradient: Problem;
}

function pairs(tokens: number): Pair[] {
  const linear = { rows: tokens, inFeatures: modelDim, outFeatures: modelDim, bias: true } as const;
  const attention = {
    ...{ batch: 1, heads: 12, queries: tokens, keys: tokens, headDim: 64, scale: 0.125, mask: false, causal: false },
    layout: 'tokens-first',
  } as const;
  const selection = { keyOrder: true, queryOrder: true, residualGroup: Math.max(64, tokens / 32) };
  const sparse = (tileQueries: number, blockKeys: number, slots: number): Pair => {
    const sizes = { ...attention, ...selection, tileQueries, blockKeys, slots };
    return {
      label: `sparse attention, tiles ${tileQueries}×${blockKeys}, ${slots} slots`,
      forward: { op: 'sparse-attention', ...sizes },
      gradient: { op: 'sparse-attention-gradient', ...sizes },
    };
  };
  return [
    ...(['none', 'gelu'] as const).map(
      (activation): Pair => ({
        label: `linear ${modelDim}×${modelDim}, activation ${activation}`,
        forward: { op: 'linear', ...linear, activation },
        gradient: { op: 'linear-gradient', ...linear, activation },
      }),
    ),
    {
      label: 'dense attention',
      forward: { op: 'dense-attention', ...attention },
      gradient: { op: 'dense-attention-gradient', ...attention },
    },
    sparse(1, 1, 32),
    sparse(16, 16, 8),
    sparse(64, 64, 4),
  ];
}

void main({
  name: 'gradients',
  summary: 'ms of ops and of their gradients on the CPU, 12 heads × 64.',
  options: {
    tokens: 'rows, queries and keys; default 2048',
    runs: 'timed runs of each op; default 9',
    threads: 'default: all cores',
  },

  async run(values) {
    const tokens = whole('tokens', values.tokens, 2048);
    const runs = whole('runs', values.runs, 9);
    await using backend = await provider.open(values.threads ? { threads: whole('threads', values.threads, 1) } : {});
    const machine = describeMachine(backend);
    const results: { label: string; forwardMs: number; gradientMs: number; ratio: ReturnType<typeof spreadOf> }[] = [];
    for (const { label, forward, gradient } of pairs(tokens)) {
      progress(label);
      const inputs = upload(backend, gradient);
      const contestants = [await prepared(backend, forward, inputs), await prepared(backend, gradient, inputs)];
      const [forwardMs, gradientMs] = (await alternate(contestants, warmUp + runs)).map((ms) => ms.slice(warmUp));
      results.push({
        label,
        forwardMs: spreadOf(forwardMs).median,
        gradientMs: spreadOf(gradientMs).median,
        ratio: spreadOf(gradientMs.map((ms, run) => ms / forwardMs[run])),
      });
      for (const held of Object.values(inputs)) held.dispose();
    }
    progress('');
    const rows = results.map(({ label, forwardMs, gradientMs, ratio: { median, quartiles } }) => [
      label,
      ...[forwardMs, gradientMs].map((ms) => ms.toFixed(1)),
      ...[median, ...quartiles].map((ratio) => ratio.toFixed(2)),
    ]);
    return {
      json: { benchmark: 'gradients', machine, tokens, warmUp, runs, results },
      text: [
        machineLine(machine),
        `${tokens} tokens; ${warmUp} runs to warm up, then ${runs}, op and gradient in turn`,
        '',
        table(['', 'op, ms', 'gradient, ms', 'ratio', 'quartile 1', 'quartile 3'], rows),
      ].join('\n'),
    };
  },
});

/** What the gradient takes, which includes all that its op takes; attention's `lse` is near that of noise. */
function upload(backend: Backend, gradient: Problem): Tensors {
  const random = randomSource(1);
  const arrayOf = (name: string, { shape, dtype }: TensorSpec) => {
    const count = elementCount(shape);
    const last = shape[shape.length - 1];
    if (name === 'lse') return new Float32Array(count).fill(Math.log(last));
    if (dtype === 'float32') return randomNormal(count, random);
    const rows = Array.from({ length: count / last }, () =>
      name === 'indices' && 'blockKeys' in gradient && 'keys' in gradient
        ? drawn(ceilDivide(gradient.keys, gradient.blockKeys))
            .slice(0, last)
            .sort((a, b) => a - b)
        : drawn(last),
    );
    return Int32Array.from(rows.flat());
  };
  const drawn = (count: number) =>
    shuffled(
      Array.from({ length: count }, (_, i) => i),
      random,
    );
  const specs = Object.entries({ ...inputSpecs(gradient), bias: { shape: [modelDim], dtype: 'float32' as const } });
  return Object.fromEntries(
    specs.map(([name, spec]) => [name, backend.upload(tensor(arrayOf(name, spec), spec.shape, spec.dtype))]),
  );
}

/** One run of the problem, which gives its milliseconds. */
async function prepared(backend: Backend, problem: Problem, inputs: Tensors): Promise<() => Promise<number>> {
  const program = await backend.prepare(problem);
  return async () => {
    const outputs = Object.fromEntries(
      Object.entries(outputSpecs(problem)).map(([name, { shape, dtype }]) => [name, backend.allocate(shape, dtype)]),
    );
    const start = performance.now();
    backend.dispatch(program, inputs, outputs);
    await backend.synchronize();
    const elapsedMs = performance.now() - start;
    for (const output of Object.values(outputs)) output.dispose();
    return elapsedMs;
  };
}
