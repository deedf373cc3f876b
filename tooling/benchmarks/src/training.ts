// bench:training: tokens per second of a training step, against PyTorch on the same CPU.
//
// The encoder of the shipped sentiment model, a step's tokens in short and in long texts. A step is forward pass, loss,
// backward pass, norm of the gradients and AdamW over all parameters; nothing is dropped out, on either side. PyTorch runs
// between two halves of our runs, so that a machine that slows down slows both.

import { provider as cpu } from '@flashmla/kernels-cpu';
import { provider as native } from '@flashmla/kernels-native';
import { type Backend, type BackendProvider, randomSource } from '@flashmla/tensor';
import { type Example, sequenceClassification, TrainableModel, Trainer } from '@flashmla/train';
import { main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { spreadOf } from './statistics.ts';
import { milliseconds, table, verdict } from './table.ts';
import { timeTorchTraining } from './torch-peer.ts';

const bar = 0.5;
const warmUp = 3;
const model = {
  ...{ layers: 4, heads: 4, headDim: 64, intermediateDim: 1024, vocabulary: 8192, positions: 4096, classes: 2 },
} as const;
const batches = [
  { batch: 32, tokens: 128 },
  { batch: 8, tokens: 512 },
] as const;

type Sizes = (typeof batches)[number];

void main({
  name: 'training',
  summary: 'a training step of a 4-layer encoder, against PyTorch on the CPU.',
  options: {
    runs: 'timed steps of each; default 10',
    threads: 'default 2',
    python: 'one that has torch; default python3',
  },

  async run(values) {
    const threads = whole('threads', values.threads, 2);
    const runs = whole('runs', values.runs, 10);
    const times = new Map<string, number[]>();
    const half = async (count: number) => {
      for (const provider of [native, cpu]) {
        progress(provider.name);
        await timeOurs(provider, threads, count, times);
      }
    };
    await half(Math.ceil(runs / 2));
    progress('PyTorch');
    const request = { threads, warmUp, runs, model, batches };
    const torch = await timeTorchTraining(values.python ?? 'python3', request);
    await half(Math.floor(runs / 2));
    progress('');

    const results = batches.flatMap((sizes) => {
      const { batch, tokens } = sizes;
      const peer = typeof torch === 'string' ? undefined : torch.batches.find((one) => one.tokens === tokens);
      const all = [
        ...[native, cpu].map(({ name }) => ({ name: name as string, ms: times.get(keyOf(name, sizes)) })),
        { name: 'PyTorch', ms: peer?.milliseconds },
      ];
      return all.flatMap(({ name, ms }) => {
        if (!ms) return [];
        const spread = spreadOf(ms);
        const perSecond = (1000 * batch * tokens) / spread.median;
        const ahead = peer && name !== 'PyTorch' ? spreadOf(peer.milliseconds).median / spread.median : undefined;
        return [{ name, batch, tokens, milliseconds: spread, tokensPerSecond: perSecond, ahead }];
      });
    });
    const backend = await native.open({ threads }).catch(() => cpu.open({ threads }));
    const machine = describeMachine(backend);
    await backend.dispose();
    const peerName = typeof torch === 'string' ? `no PyTorch: ${torch}` : `PyTorch ${torch.torch}`;
    const rows = results.map(
      ({ name, batch, tokens, milliseconds: { median, least, most }, tokensPerSecond, ahead }) => [
        `${batch} × ${tokens}  ${name}`,
        ...[median, least, most].map(milliseconds),
        tokensPerSecond.toFixed(0),
        ahead === undefined ? '' : `${ahead.toFixed(2)}×`,
        ahead === undefined || name !== native.name ? '' : verdict(ahead >= bar),
      ],
    );
    const titles = ['batch × tokens', 'median', 'least', 'most', 'tokens/s', 'of PyTorch’s', `≥ ${bar}×`];
    return {
      json: { machine, torch: typeof torch === 'string' ? null : torch.torch, results },
      text: `${machineLine(machine)}; ${threads} threads each, ${peerName}\n\n${table(titles, rows)}`,
    };
  },
});

const keyOf = (name: string, { tokens }: Sizes) => `${name} ${tokens}`;

async function timeOurs(
  provider: BackendProvider,
  threads: number,
  runs: number,
  times: Map<string, number[]>,
): Promise<void> {
  if (!(await provider.probe()).available) return;
  await using backend = await provider.open({ threads });
  for (const sizes of batches) {
    const found = await timeSteps(backend, examplesOf(sizes), runs);
    const key = keyOf(provider.name, sizes);
    times.set(key, [...(times.get(key) ?? []), ...found]);
  }
}

async function timeSteps(backend: Backend, examples: readonly Example[], runs: number): Promise<number[]> {
  using trained = await TrainableModel.open({ backend, head: sequenceClassification, config });
  using trainer = new Trainer(trained, {
    ...{ dropout: 0, maxNorm: 1, activations: 'float32', randomOffsets: 0, seed: 0 },
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
  });
  const times: number[] = [];
  for (let run = 0; run < warmUp + runs; run++) {
    const started = performance.now();
    await trainer.makeStep([examples], { learningRate: 1e-4 });
    await backend.synchronize();
    if (run >= warmUp) times.push(performance.now() - started);
  }
  return times;
}

function examplesOf({ batch, tokens }: Sizes): Example[] {
  const random = randomSource(1);
  const below = (bound: number) => Math.floor(random() * bound);
  return Array.from({ length: batch }, () => ({
    ids: Int32Array.from({ length: tokens }, () => below(model.vocabulary)),
    types: new Int32Array(tokens),
    target: below(model.classes),
  }));
}

const config = {
  ...{ model_type: 'bert', hidden_act: 'gelu', type_vocab_size: 2, num_labels: model.classes },
  ...{ hidden_size: model.heads * model.headDim, num_attention_heads: model.heads },
  ...{ intermediate_size: model.intermediateDim, num_hidden_layers: model.layers },
  ...{ vocab_size: model.vocabulary, max_position_embeddings: model.positions },
};
