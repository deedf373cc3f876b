// bench:linear: the dense kernel that everything else of a layer is made of, alone on one thread, with and without
// relaxed SIMD.

import { provider } from '@flashmla/kernels-cpu';
import { type Backend, costOf, type ProblemOf, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import { main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { alternate, spreadOf } from './statistics.ts';
import { table, verdict } from './table.ts';

const bar = { gigaflops: 38, build: 'SIMD128' };
const warmUp = 10;

void main({
  name: 'linear',
  summary: 'GFLOP/s of linear f32, rows × inFeatures × outFeatures equal, one thread, weight packed at upload.',
  options: { size: 'rows = inFeatures = outFeatures; default 768', runs: 'timed runs of each build; default 60' },

  async run(values) {
    const size = whole('size', values.size, 768);
    const runs = whole('runs', values.runs, 60);
    const builds = [
      { build: 'SIMD128', backend: await provider.open({ threads: 1, relaxedSimd: false }) },
      { build: 'relaxed SIMD', backend: await provider.open({ threads: 1 }) },
    ].filter(({ build, backend }) => build === 'SIMD128' || backend.device.features.includes('relaxed-simd'));
    progress(`${runs} runs of ${builds.length} builds`);
    const contestants = await Promise.all(builds.map(({ backend }) => prepared(backend, size)));
    const times = await alternate(contestants, warmUp + runs);
    progress('');

    const results = builds.map(({ build }, index) => ({ build, gigaflops: spreadOf(times[index].slice(warmUp)) }));
    const machine = describeMachine(builds[0].backend);
    for (const { backend } of builds) await backend.dispose();
    const [{ gigaflops }] = results;
    const holds = gigaflops.median >= bar.gigaflops;
    const rows = results.map(({ build, gigaflops: { median, most, least, quartiles } }) => [
      build,
      ...[median, ...quartiles, most, least].map((value) => value.toFixed(1)),
    ]);
    return {
      json: { benchmark: 'linear', machine, size, warmUp, runs, results, bar, holds },
      text: [
        machineLine(machine),
        `linear ${size}×${size}×${size} f32, one thread; ${warmUp} runs to warm up, then ${runs}, the builds in turn`,
        '',
        table(['GFLOP/s', 'median', 'quartile 1', 'quartile 3', 'best', 'worst'], rows),
        `bar: median ≥ ${bar.gigaflops} GFLOP/s with SIMD128: ${verdict(holds)}`,
        '',
      ].join('\n'),
    };
  },
});

/** One run of the problem on `backend`, which gives its GFLOP/s. */
async function prepared(backend: Backend, size: number): Promise<() => Promise<number>> {
  const problem: ProblemOf<'linear'> = {
    ...{ op: 'linear', rows: size, inFeatures: size, outFeatures: size, bias: false, activation: 'none' },
  };
  const input = backend.upload(tensor(randomNormal(size * size, randomSource(1)), [size, size]));
  const weight = backend.upload(tensor(randomNormal(size * size, randomSource(2)), [size, size]), {
    purpose: 'linear-weight',
  });
  const output = backend.allocate([size, size], 'float32');
  const program = await backend.prepare(problem);
  const { flops } = costOf(problem);
  await backend.synchronize();
  return async () => {
    const start = performance.now();
    backend.dispatch(program, { input, weight }, { output });
    await backend.synchronize();
    return flops / (performance.now() - start) / 1e6;
  };
}
