// flashmla bench: this project's sparse and dense attention against the peers, side by side in one run.

import { availableParallelism } from 'node:os';
import { checkComputes } from '@flashmla/backend';
import { type Machine, type ResultRow, type ResultsFile, resultsFormat } from '@flashmla/workloads';
import type { PeerChoice } from '../bench/compare.ts';
import { describeMachine } from '../bench/machine.ts';
import { type Measured, measure } from '../bench/measure.ts';
import { notesOn } from '../bench/notes.ts';
import { openSubject, type Subject, subjects } from '../bench/subjects.ts';
import { command } from '../command.ts';
import { badInput } from '../errors.ts';
import { withBackend } from '../opening.ts';
import {
  attentionKinds,
  backendOption,
  dtypeOption,
  kOption,
  parseChoice,
  parseChoices,
  parseDType,
  parseWhole,
  parseWholes,
  required,
  threadsOption,
} from '../options.ts';
import { formatBytes, formatMs, formatPercent, none, table } from '../output.ts';
import { writeWhole } from '../write-whole.ts';

const peerChoices = {
  'ort-web': { name: 'onnxruntime-web', precision: 'float32' },
  'ort-web-int8': { name: 'onnxruntime-web', precision: 'int8' },
  'ort-node': { name: 'onnxruntime-node', precision: 'float32' },
  'ort-node-int8': { name: 'onnxruntime-node', precision: 'int8' },
} as const satisfies Record<string, PeerChoice>;

export const bench = command({
  name: 'bench',
  summary: 'Times attention, a layer or a whole model, sparse and dense, against onnxruntime.',
  usage:
    'attention|layer|model --tokens 512,2048 [--batch 1,8] [--k K] [--threads T] [--peers ort-web,ort-node-int8,…]\n' +
    '                [--attention KIND] [--model DIR] [--dtype DTYPE] [--backend NAME] [--limit S] [--out FILE]',
  details:
    'attention and layer take sizes of BERT-base, or of the model given, and random weights. model runs texts through a whole\n' +
    'model, token ids to logits: the one given, or a BERT-base with random weights, as long as the longest text. All run in\n' +
    'turn in one command, 9 rounds (3 where a run takes longer than 3 s), after their outputs are compared; what is shorter\n' +
    'than 200 ms is timed three times a round, after an untimed run. Who is out of memory or takes longer than --limit has a\n' +
    'row that says so, and is not tried at longer texts.',
  subjects,
  options: {
    tokens: { type: 'string', value: 'NS', description: 'lengths, e.g. 512,2048' },
    batch: { type: 'string', value: 'BS', description: 'texts that run together, e.g. 1,8; default: 1' },
    attention: { type: 'string', value: 'KIND', description: 'dense or sparse; default: both' },
    k: kOption,
    peers: { type: 'string', value: 'PEERS', description: `of ${Object.keys(peerChoices).join(', ')}; default: none` },
    model: { type: 'string', value: 'DIR', description: 'a Hugging Face model folder; default: BERT-base, random' },
    dtype: dtypeOption,
    backend: backendOption,
    threads: threadsOption,
    limit: { type: 'string', value: 'S', description: 'longest run to wait for, in seconds; default: 120' },
    out: { type: 'string', value: 'FILE', description: 'write the results, with the machine, as JSON' },
  },

  async run(values, { signal, progress }, given) {
    const subject = given as Subject;
    const lengths = parseWholes('tokens', required('tokens', values.tokens, '512,2048'), 1);
    const batches = values.batch === undefined ? [1] : parseWholes('batch', values.batch, 1);
    const names = values.peers === undefined ? [] : parseChoices('peers', values.peers, keysOf(peerChoices));
    const peers = names.map((name) => peerChoices[name]);
    if (subject === 'attention' && peers.some(({ precision }) => precision !== 'float32')) {
      throw badInput('attention has no weights to quantize: of --peers, only ort-web and ort-node measure it.');
    }
    const kind =
      values.attention === undefined ? undefined : parseChoice('attention', values.attention, attentionKinds);
    if (kind === 'sparse' && peers.length > 0) {
      throw badInput(
        '--attention sparse was given with --peers, whose outputs are compared with dense; leave one out.',
      );
    }
    const own = (kind ? [kind] : (['sparse', 'dense'] as const)).map((one) => `flashmla-${one}` as const);
    const k = parseWhole('k', values.k, 1);
    const limitMs = 1000 * (parseWhole('limit', values.limit, 1) ?? 120);
    const dtype = parseDType(values.dtype);
    const request = { subject, source: values.model, dtype, longest: Math.max(...lengths), hasPeers: peers.length > 0 };
    return withBackend(values, { signal, progress }, async (backend) => {
      await checkComputes(backend, dtype);
      const threads = parseWhole('threads', values.threads, 1) ?? backend.device.threads ?? availableParallelism();
      progress.start('drawing or loading weights');
      await using opened = await openSubject(backend, { ...request, signal });
      const { geometry, model } = opened;
      const date = new Date().toISOString();
      const notes = notesOn({ subject, geometry, dtype, peers });
      const fileOf = async ({ results, versions }: Measured): Promise<ResultsFile> => ({
        format: resultsFormat,
        date,
        command: commandOf(subject, values),
        machine: await describeMachine(backend, threads, versions),
        ...{ subject, model, geometry, dtype, results, notes },
      });
      const save = async (measured: Measured) => {
        if (values.out === undefined) return;
        await writeWhole(values.out, `${JSON.stringify(await fileOf(measured), null, 2)}\n`);
      };
      const measured = await measure(
        opened,
        { backend, batches, lengths, k, own, peers, threads, limitMs, dtype, signal, progress },
        save,
      );
      progress.stop();
      const json = await fileOf(measured);
      const { results } = json;
      const text = [
        machineLine(json.machine),
        '',
        table(columns(results), results),
        ...notes.map((note) => `* ${note}`),
        '',
      ];
      return { json, text: text.join('\n') };
    });
  },
});

/** The command that repeats it; where the results go is no part of that. */
const commandOf = (subject: string, values: object) =>
  [
    `flashmla bench ${subject}`,
    ...Object.entries(values).flatMap(([name, value]) =>
      name === 'out' || name === 'json' ? [] : [`--${name} ${value}`],
    ),
  ].join(' ');

function machineLine({ cpu, cores, memoryBytes, os, node, threads, backend, device, versions }: Machine): string {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${cpu}, ${cores} cores, ${formatBytes(memoryBytes)}, ${os}, Node ${node}`,
    `${threads} ${threads === 1 ? 'thread' : 'threads'} each; backend ${backend}: ${device}`,
    packages.join(', '),
  ].join('\n');
}

function columns(results: readonly ResultRow[]) {
  const sizeOf = ({ batch, tokens }: ResultRow) => `${batch} × ${tokens}`;
  const sparseMs = new Map(
    results.flatMap((row) =>
      row.implementation === 'flashmla-sparse' && row.medianMs !== null ? [[sizeOf(row), row.medianMs] as const] : [],
    ),
  );
  const speedUp = (row: ResultRow) => {
    const own = sparseMs.get(sizeOf(row));
    const { implementation, medianMs } = row;
    return implementation === 'flashmla-sparse' || !own || medianMs === null ? none : `${(medianMs / own).toFixed(2)}×`;
  };
  const time = (ms: number | null) => (ms === null ? none : formatMs(ms));
  const remark = ({ k, outputError, difference, graph, error }: ResultRow) =>
    [
      k !== undefined && `K ${k}`,
      outputError !== undefined && `outputError ${formatPercent(outputError)}`,
      graph !== undefined && `${graph} graph`,
      difference !== undefined && `difference ${difference.toPrecision(2)}`,
      error,
    ]
      .filter(Boolean)
      .join(', ');
  return [
    { title: 'batch × tokens', value: sizeOf },
    { title: 'implementation', align: 'left', value: ({ implementation }: ResultRow) => implementation },
    { title: 'precision', align: 'left', value: ({ precision }: ResultRow) => precision },
    { title: 'median', value: ({ medianMs }: ResultRow) => time(medianMs) },
    { title: 'least', value: ({ minMs }: ResultRow) => time(minMs) },
    { title: 'most', value: ({ maxMs }: ResultRow) => time(maxMs) },
    { title: 'runs', value: ({ runs }: ResultRow) => `${runs}` },
    { title: 'sparse is faster', value: speedUp },
    { title: 'peak memory', value: ({ peakBytes }: ResultRow) => (peakBytes === null ? none : formatBytes(peakBytes)) },
    { title: '', align: 'left', value: remark },
  ] as const;
}

const keysOf = <Key extends string>(record: Readonly<Record<Key, unknown>>) => Object.keys(record) as Key[];
