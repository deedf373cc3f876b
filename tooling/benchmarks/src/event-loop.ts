// bench:event-loop: how late a 1 ms timer is while a long layer runs. The threads compute; what the main thread does
// itself (copying, preparing, fitting a gate) must never take long.

import { setTimeout as sleep } from 'node:timers/promises';
import type { AttentionModule } from '@flashmla/attention';
import { recommendK } from '@flashmla/gating';
import { provider as cpu } from '@flashmla/kernels-cpu';
import { provider as native } from '@flashmla/kernels-native';
import { type Backend, type DeviceTensor, randomNormal, randomSource, tensor } from '@flashmla/tensor';
import { bertBase, EncoderStack } from '@flashmla/workloads';
import { badInput, main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { spreadOf } from './statistics.ts';
import { milliseconds, table, verdict } from './table.ts';
import { timerDelays } from './timer-delays.ts';

const { modelDim, heads } = bertBase;
const bar = { worstMs: 20, tokens: 8192 };
const steps = ['upload', 'layer', 'read back'] as const;
type Step = (typeof steps)[number];

/** Delays of the timer in ms, during each step of one run. */
type Delays = Readonly<Record<Step, readonly number[]>>;

void main({
  name: 'event-loop',
  summary: 'the worst delay of a 1 ms timer while a BERT-base layer runs.',
  options: {
    tokens: `default ${bar.tokens}`,
    threads: 'default 2',
    runs: 'of each attention; default 3',
    backend: 'cpu (default) or native',
  },

  async run(values) {
    const tokens = whole('tokens', values.tokens, bar.tokens);
    const runs = whole('runs', values.runs, 3);
    const provider = [cpu, native].find(({ name }) => name === (values.backend ?? 'cpu'));
    if (!provider) throw badInput(`--backend is '${values.backend}'; expected cpu or native.`);
    const backend = await provider.open({ threads: whole('threads', values.threads, 2) });
    const layer = new EncoderStack(backend, { ...bertBase, layers: 1 });
    const hidden = randomNormal(tokens * modelDim, randomSource(7));
    const sparse = layer.sparse(recommendK(tokens));
    const { dense } = layer;
    const run = (attention: readonly AttentionModule[]) => runLayer(backend, layer, hidden, tokens, attention);
    await backend.synchronize();

    const measured = new Map<string, Delays[]>();
    const add = (title: string, delays: Delays) => measured.set(title, [...(measured.get(title) ?? []), delays]);
    progress('idle');
    const idle = await timerDelays(() => sleep(1000));
    progress('sparse, first run');
    add('sparse, first run: the gate fits itself', await run(sparse));
    for (let round = 0; round < runs; round++) {
      progress(`round ${round + 1} of ${runs}`);
      add('sparse', await run(sparse));
      add('dense', await run(dense));
    }
    progress('');
    const machine = describeMachine(backend);
    for (const module of sparse) module.dispose();
    layer.dispose();
    await backend.dispose();

    const results = [...measured].map(([attention, runsOf]) => {
      const [upload, computing, reading] = steps.map((step) => spreadOf(runsOf.flatMap((one) => one[step])));
      const delayMs = { upload, layer: computing, 'read back': reading };
      return { attention, runs: runsOf.length, delayMs, holds: computing.most < bar.worstMs };
    });
    const rows = results.map(({ attention, delayMs, holds }) => [
      attention,
      ...steps.map((step) => milliseconds(delayMs[step].most)),
      verdict(holds),
      milliseconds(delayMs.layer.median),
      String(delayMs.layer.runs),
    ]);
    const idleMs = spreadOf(idle);
    const idleRow = ['', milliseconds(idleMs.most), '', '', milliseconds(idleMs.median), String(idleMs.runs)];
    const holds = results.every((one) => one.holds);
    return {
      json: { benchmark: 'event-loop', machine, tokens, warmUp: 0, runs, idleMs, results, bar, holds },
      text: [
        machineLine(machine),
        `worst delay of a 1 ms timer; one layer, batch 1, ${tokens} tokens, ${modelDim} wide, ${heads} heads, gate included`,
        '',
        table(
          ['attention', ...steps, `layer < ${bar.worstMs} ms`, 'layer, median', 'timers'],
          [...rows, ['nothing runs, for 1 s', ...idleRow]],
        ),
        'upload copies the hidden states on the main thread, in one piece, and so does read back on cpu',
        `bar: ${verdict(holds)}`,
        '',
      ].join('\n'),
    };
  },
});

async function runLayer(
  backend: Backend,
  layer: EncoderStack,
  hidden: Float32Array,
  tokens: number,
  attention: readonly AttentionModule[],
): Promise<Delays> {
  let state: DeviceTensor | undefined;
  const upload = await timerDelays(async () => {
    state = backend.upload(tensor(hidden, [1, tokens, modelDim]));
  });
  const computing = await timerDelays(async () => {
    state = await layer.forward(state!, attention);
    await backend.synchronize();
  });
  const reading = await timerDelays(async () => {
    await state!.data();
    state!.dispose();
  });
  return { upload, layer: computing, 'read back': reading };
}
