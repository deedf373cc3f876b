// bench:training-memory: what a whole training step holds in a backend's memory, parameters and moments included.
//
// One layer of 12 heads × 64 with its feed-forward network, through gated sparse attention, embeddings of as many positions
// as there are tokens, and a table of few words: what grows with the text, and not what a vocabulary takes. Two steps: in the
// first the gate fits itself and has a lesson, the second is one like most. Memory is what the backend counts, exactly.

import { provider as cpu } from '@flashmla/kernels-cpu';
import { provider as native } from '@flashmla/kernels-native';
import { type Backend, type FloatDType, randomSource } from '@flashmla/tensor';
import { type Example, sequenceClassification, TrainableModel, train } from '@flashmla/train';
import { badInput, main, progress, whole } from './command.ts';
import { describeMachine, type Machine, machineLine } from './machine.ts';
import { megabytes, table, verdict } from './table.ts';

const bar = { bytes: 400e6, tokens: 8192 };
const precisions = ['float32', 'bfloat16'] as const;
const providers = [native, cpu];
const [heads, headDim, vocabulary, classes] = [12, 64, 256, 2];

interface Result {
  readonly backend: string;
  readonly activations: FloatDType;
  /** Parameters and moments. */
  readonly stateBytes: number;
  /** Most bytes in use at once in a step, state included. */
  readonly peakBytes: number;
  /** Of the second step. */
  readonly elapsedMs: number;
}

void main({
  name: 'training-memory',
  summary: `most memory of a training step of one layer of ${heads} heads × ${headDim}, through sparse attention.`,
  options: {
    tokens: `of the one text of a step; default ${bar.tokens}`,
    k: 'keys a query selects; default 64',
    threads: 'default 2',
    backend: `one of ${providers.map(({ name }) => name).join(', ')}; default: all that there are`,
  },

  async run(values) {
    const tokens = whole('tokens', values.tokens, bar.tokens);
    const k = whole('k', values.k, 64);
    const threads = whole('threads', values.threads, 2);
    const wanted = providers.filter(({ name }) => values.backend === undefined || values.backend === name);
    if (wanted.length === 0) throw badInput(`--backend is '${values.backend}'; expected native or cpu.`);
    const results: Result[] = [];
    let machine: Machine | undefined;
    for (const provider of wanted) {
      if (!(await provider.probe()).available) continue;
      for (const activations of precisions) {
        progress(`${provider.name}, ${activations}`);
        await using backend = await provider.open({ threads });
        machine ??= describeMachine(backend);
        results.push(await measure(backend, activations, tokens, k));
      }
    }
    progress('');
    if (!machine) throw badInput('there is no backend to measure.');
    const rows = results.map(({ backend, activations, stateBytes, peakBytes, elapsedMs }) => [
      `${backend}, activations in ${activations}`,
      ...[stateBytes, peakBytes].map(megabytes),
      `${(elapsedMs / 1000).toFixed(2)} s`,
      tokens === bar.tokens ? verdict(peakBytes <= bar.bytes) : '',
    ]);
    return {
      json: { benchmark: 'training-memory', machine, heads, headDim, tokens, k, results, bar },
      text: [
        machineLine(machine),
        `one text of ${tokens} tokens, ${heads} heads × ${headDim}, feed-forward ${4 * heads * headDim}, K ${k}`,
        '',
        table(['', 'parameters, moments', 'peak', 'second step', `≤ ${megabytes(bar.bytes)}`], rows),
        '',
      ].join('\n'),
    };
  },
});

async function measure(backend: Backend, activations: FloatDType, tokens: number, k: number): Promise<Result> {
  const before = backend.memory().usedBytes;
  using model = await TrainableModel.open({ backend, head: sequenceClassification, config: configOf(tokens) });
  const parameterBytes = backend.memory().usedBytes - before;
  backend.resetPeak();
  const ends: number[] = [];
  await train(model, [exampleOf(tokens), exampleOf(tokens)], {
    ...{ epochs: 1, batchTokens: tokens, activations, sparse: { k } },
    progress: () => ends.push(performance.now()),
  });
  const { peakBytes } = backend.memory();
  // AdamW keeps two moments of each parameter.
  return {
    backend: backend.name,
    activations,
    stateBytes: 3 * parameterBytes,
    peakBytes,
    elapsedMs: ends[1] - ends[0],
  };
}

function exampleOf(tokens: number): Example {
  const random = randomSource(1);
  const ids = Int32Array.from({ length: tokens }, () => Math.floor(random() * vocabulary));
  return { ids, types: new Int32Array(tokens), target: 1 };
}

const configOf = (tokens: number) => ({
  ...{ model_type: 'bert', hidden_act: 'gelu', type_vocab_size: 2, num_labels: classes, num_hidden_layers: 1 },
  ...{ hidden_size: heads * headDim, num_attention_heads: heads, intermediate_size: 4 * heads * headDim },
  ...{ vocab_size: vocabulary, max_position_embeddings: tokens },
});
