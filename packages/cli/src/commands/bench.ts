// flashmla bench: this project's sparse and dense attention against the peers, side by side in one run.

import { availableParallelism } from 'node:os';
import { checkComputes } from '@flashmla/backend';
import { recommendK } from '@flashmla/gating';
import type { Backend, FloatDType } from '@flashmla/tensor';
import { attentionWorkloads, bertBase, EncoderWorkloads, type Geometry, type WorkloadOf } from '@flashmla/workloads';
import { compare, type Row } from '../bench/compare.ts';
import { geometryOf } from '../bench/geometry.ts';
import { describeMachine, type Machine } from '../bench/machine.ts';
import type { PeerName } from '../bench/peers/onnxruntime.ts';
import { type Context, command } from '../command.ts';
import { withBackend, withModel } from '../opening.ts';
import {
  backendOption,
  dtypeOption,
  kOption,
  parseChoices,
  parseFloatDType,
  parseWhole,
  parseWholes,
  required,
  threadsOption,
} from '../options.ts';
import { formatBytes, formatMs, formatPercent, none, table } from '../output.ts';

const subjects = ['attention', 'layer', 'model'] as const;
type Subject = (typeof subjects)[number];

const peerNames = { 'ort-web': 'onnxruntime-web', 'ort-node': 'onnxruntime-node' } as const satisfies Record<
  string,
  PeerName
>;

export const bench = command({
  name: 'bench',
  summary: 'Times attention, a layer or a whole encoder, sparse and dense, against onnxruntime.',
  usage: 'attention|layer|model --tokens 512,2048 [--k K] [--threads T] [--peers ort-web,ort-node] [--model DIR]',
  details:
    'Sizes are those of BERT-base, or of the model given; weights and inputs are random, from a fixed seed. All run in\n' +
    'turn in one process, 9 rounds (3 where a run takes longer than 3 s), after their outputs are compared; what is shorter\n' +
    'than 200 ms is timed three times a round, after an untimed run.',
  subjects,
  options: {
    tokens: { type: 'string', value: 'NS', description: 'lengths, e.g. 512,2048' },
    k: kOption,
    peers: { type: 'string', value: 'PEERS', description: `of ${Object.keys(peerNames).join(', ')}; default: none` },
    model: { type: 'string', value: 'DIR', description: 'take the sizes of this model; default: BERT-base' },
    dtype: dtypeOption,
    backend: backendOption,
    threads: threadsOption,
  },

  async run(values, context, subject) {
    const lengths = parseWholes('tokens', required('tokens', values.tokens, '512,2048'), 1);
    const k = parseWhole('k', values.k, 1);
    const peers = values.peers === undefined ? [] : parseChoices('peers', values.peers, keysOf(peerNames));
    const request: Request = {
      subject: subject as Subject,
      lengths,
      k,
      peers: peers.map((peer) => peerNames[peer]),
      threads: parseWhole('threads', values.threads, 1),
      dtype: parseFloatDType(values.dtype),
    };
    // Only its sizes are wanted; it is gone before anything is measured.
    const geometry =
      values.model === undefined
        ? bertBase
        : await withModel({ ...values, dtype: 'float32' }, context, async (model) => geometryOf(model));
    return withBackend(values, context, async (backend) => {
      await checkComputes(backend, request.dtype);
      const { machine, results } = await measure(backend, geometry, request, context);
      const notes = notesOn(request, geometry);
      const text = [
        machineLine(machine),
        '',
        table(columns(results), results),
        ...notes.map((note) => `* ${note}`),
        '',
      ];
      return { json: { machine, subject, geometry, dtype: request.dtype, results, notes }, text: text.join('\n') };
    });
  },
});

interface Request {
  readonly subject: Subject;
  readonly lengths: readonly number[];
  readonly k: number | undefined;
  readonly peers: readonly PeerName[];
  readonly threads: number | undefined;
  readonly dtype: FloatDType;
}

async function measure(
  backend: Backend,
  geometry: Geometry,
  { subject, lengths, k, peers, threads: wanted, dtype }: Request,
  { signal, progress }: Context,
): Promise<{ machine: Machine; results: Row[] }> {
  const threads = wanted ?? backend.device.threads ?? availableParallelism();
  const versions: Record<string, string> = {};
  const results: Row[] = [];
  progress.start('drawing weights and inputs');
  const { workloadOf, dispose } = workloads(subject, backend, geometry, dtype);
  try {
    for (const tokens of lengths) {
      const keys = k ?? recommendK(tokens);
      const workload = workloadOf(tokens, keys);
      const show = (title: string, done: number) => {
        if (done === 0) progress.start(`${tokens} tokens: ${title}`);
        progress.update(done);
      };
      try {
        results.push(
          ...(await compare(
            workload,
            { backend, tokens, k: keys, peers, threads, dtype, signal, progress: show },
            versions,
          )),
        );
      } finally {
        workload.dispose();
      }
    }
  } finally {
    dispose();
    progress.stop();
  }
  return { machine: describeMachine(backend, threads, versions), results };
}

function workloads(
  subject: Subject,
  backend: Backend,
  geometry: Geometry,
  dtype: FloatDType,
): { workloadOf: WorkloadOf; dispose: () => void } {
  if (subject === 'attention') return { workloadOf: attentionWorkloads(backend, geometry, dtype), dispose: () => {} };
  const layers = subject === 'layer' ? 1 : geometry.layers;
  const encoder = new EncoderWorkloads(backend, { ...geometry, layers }, dtype);
  return { workloadOf: encoder.workloadOf, dispose: () => encoder.dispose() };
}

/** What must be known to read the figures. */
function notesOn({ subject, peers, dtype }: Request, { heads, headDim, modelDim, layers }: Geometry): string[] {
  const sizes = `${heads} heads of ${headDim}`;
  const measured = {
    attention: `Attention alone, batch 1, ${sizes}, ${dtype}; the gate's work is part of flashmla-sparse.`,
    layer: `One encoder layer from hidden states to hidden states, batch 1, ${modelDim} wide, ${sizes}, ${dtype}.`,
    model: `${layers} encoder layers from hidden states to hidden states, batch 1, ${modelDim} wide, ${sizes}, ${dtype}.`,
  };
  const boundary =
    subject === 'attention'
      ? 'flashmla: queries, keys and values lie on the device beforehand, the output stays there. A peer takes and gives ' +
        'host arrays; there is no other way in.'
      : 'All take and give host arrays.';
  const graphs =
    subject === 'attention'
      ? 'The peers run the plain graph: standard operators, all graph optimisations on.'
      : 'A peer runs the faster of two graphs: plain (standard operators, fused by its optimiser as it can) and fused ' +
        '(its own MultiHeadAttention).';
  return [
    measured[subject],
    boundary,
    'flashmla-sparse is forced at every length. outputError is against flashmla-dense on random weights and inputs, which ' +
      'have no structure a gate could use: its worst case. `flashmla eval` measures real texts.',
    'peakBytes: most device memory of one run beyond inputs, outputs and weights.',
    ...(peers.length > 0 && dtype !== 'float32' ? ['The peers compute in float32.'] : []),
    ...(peers.length > 0 ? [graphs, 'The peers tell nothing of the memory they use: their peakBytes is null.'] : []),
  ];
}

function machineLine({ cpu, cores, memoryBytes, os, node, threads, backend, device, versions }: Machine): string {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${cpu}, ${cores} cores, ${formatBytes(memoryBytes)}, ${os}, Node ${node}`,
    `${threads} ${threads === 1 ? 'thread' : 'threads'} each; backend ${backend}: ${device}`,
    packages.join(', '),
  ].join('\n');
}

function columns(results: readonly Row[]) {
  const sparseMs = new Map(
    results.flatMap(({ implementation, tokens, medianMs }) =>
      implementation === 'flashmla-sparse' && medianMs !== null ? [[tokens, medianMs] as const] : [],
    ),
  );
  const speedUp = ({ implementation, tokens, medianMs }: Row) => {
    const own = sparseMs.get(tokens);
    return implementation === 'flashmla-sparse' || !own || medianMs === null ? none : `${(medianMs / own).toFixed(2)}×`;
  };
  const time = (ms: number | null) => (ms === null ? none : formatMs(ms));
  const remark = ({ k, outputError, graph, error }: Row) =>
    [
      k !== undefined && `K ${k}`,
      outputError !== undefined && `outputError ${formatPercent(outputError)}`,
      graph !== undefined && `${graph} graph`,
      error,
    ]
      .filter(Boolean)
      .join(', ');
  return [
    { title: 'tokens', value: ({ tokens }: Row) => `${tokens}` },
    { title: 'implementation', align: 'left', value: ({ implementation }: Row) => implementation },
    { title: 'median', value: ({ medianMs }: Row) => time(medianMs) },
    { title: 'least', value: ({ minMs }: Row) => time(minMs) },
    { title: 'most', value: ({ maxMs }: Row) => time(maxMs) },
    { title: 'runs', value: ({ runs }: Row) => `${runs}` },
    { title: 'sparse is faster', value: speedUp },
    { title: 'peak memory', value: ({ peakBytes }: Row) => (peakBytes === null ? none : formatBytes(peakBytes)) },
    { title: '', align: 'left', value: remark },
  ] as const;
}

const keysOf = <Key extends string>(record: Readonly<Record<Key, unknown>>) => Object.keys(record) as Key[];
