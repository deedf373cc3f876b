// bench:cuda: attention alone and BERT-base's encoder on the GPU, in float16, against our own dense and against PyTorch; how fast
// rows are gathered, against a copy; and how long a first result takes.
//
// Ours run in turn. PyTorch runs afterwards, in a process of its own: its rounds do not alternate with ours.

import { type CudaBackend, provider } from '@flashmla/kernels-cuda';
import { attentionWorkloads, bertBase, EncoderWorkloads, type OwnRun, type Workload } from '@flashmla/workloads';
import { main, progress, whole } from './command.ts';
import { type Gather, measureGather } from './cuda/gather.ts';
import { measureStart } from './cuda/start.ts';
import { describeMachine, machineLine } from './machine.ts';
import { alternate, type Spread, spreadOf } from './statistics.ts';
import { milliseconds, table, verdict } from './table.ts';
import { type TorchCase, type TorchTimes, timeTorch } from './torch-peer.ts';

/** How many times as fast as one of PyTorch's sparse has to be. */
interface Bar {
  readonly against: 'eager' | 'flash';
  readonly times: number;
}

interface Case extends TorchCase {
  readonly k: number;
  readonly bar: Bar | undefined;
}

interface Result extends Case {
  readonly ms: Readonly<Record<'sparse' | 'dense', Spread>>;
  /** Of one sparse run once it is known: graphs, and kernels launched beside them. */
  readonly launches: { readonly graphs: number; readonly kernels: number };
  readonly torch: Readonly<Record<string, Spread | string>>;
}

/** The share of a copy's bandwidth that a gather has to have, and the most milliseconds to a first result. */
const bars = { gather: 0.6, startMs: 1500 };

const { heads, headDim, layers, intermediateDim } = bertBase;
const sizes = { heads, headDim, intermediateDim };

void main({
  name: 'cuda',
  summary:
    'attention alone and a BERT-base encoder on CUDA in float16, against our dense and PyTorch on the same GPU; gathered ' +
    'bytes against a copy; the time to a first result.',
  options: {
    attention: "lengths of attention alone; default 8192,65536; '' for none",
    encoder: "batches of the encoder, of 512 tokens each; default 1,32; '' for none",
    layers: `layers of the encoder; default ${layers}`,
    gather: "tokens of the gather, by a list for each query; default 65536; '' for none",
    starts: "processes that are started for a first result; default 5; '' for none",
    k: 'keys a query selects; default 64',
    runs: 'timed runs of each; default 20',
    device: 'the GPU, see open; default: the first that will do',
    python: 'the Python that has PyTorch; default python3',
  },

  async run(values) {
    const list = (name: 'attention' | 'encoder', otherwise: string) =>
      (values[name] ?? otherwise)
        .split(',')
        .filter((one) => one !== '')
        .map((one) => whole(name, one, 1));
    const k = whole('k', values.k, 64);
    const runs = whole('runs', values.runs, 20);
    const attentionBars = new Map<number, Bar>([
      [8192, { against: 'flash', times: 4 }],
      [65536, { against: 'flash', times: 25 }],
    ]);
    const encoderBars = new Map<number, Bar>([
      [1, { against: 'eager', times: 2.6 }],
      [32, { against: 'eager', times: 3.2 }],
    ]);
    const cases: Case[] = [
      ...list('attention', '8192,65536').map(
        (tokens): Case => ({
          ...{ subject: 'attention', batch: 1, tokens, layers: 1, ...sizes, k, bar: attentionBars.get(tokens) },
        }),
      ),
      ...list('encoder', '1,32').map(
        (batch): Case => ({
          ...{ subject: 'encoder', batch, tokens: 512, layers: whole('layers', values.layers, layers), ...sizes, k },
          bar: encoderBars.get(batch),
        }),
      ),
    ];

    const gatherTokens = values.gather === '' ? undefined : whole('gather', values.gather, 65536);
    const starts = values.starts === '' ? undefined : whole('starts', values.starts, 5);

    const device = values.device === undefined ? undefined : numberOr(values.device);
    progress('first results');
    const start = starts === undefined ? undefined : await measureStart(starts, device);
    const backend = await provider.open(device === undefined ? {} : { device });
    const machine = describeMachine(backend);
    const own: Pick<Result, 'ms' | 'launches'>[] = [];
    for (const one of cases) {
      progress(nameOf(one));
      own.push(await measure(backend, one, runs));
    }
    progress('gather');
    const rounds = { warmUp, runs };
    const gather = gatherTokens && (await measureGather(backend, { heads, tokens: gatherTokens, headDim, k }, rounds));
    await backend.dispose();
    progress('PyTorch');
    const copyBytes = gather ? gather.copy.bytes / 2 : 0;
    const torch = await timeTorch(values.python ?? 'python3', { ...rounds, copyBytes, cases });
    progress('');
    const results = cases.map(
      (one, at): Result => ({ ...one, ...own[at]!, torch: typeof torch === 'string' ? {} : spreadsOf(torch, at) }),
    );
    const torchCopy = typeof torch === 'string' || typeof torch.copy === 'string' ? undefined : spreadOf(torch.copy);
    const figures = { start, gather: gather && { ...gather, torchCopyMs: torchCopy }, bars };
    return {
      json: {
        benchmark: 'cuda',
        machine,
        dtype: 'float16',
        warmUp,
        runs,
        torch: versionsOf(torch),
        results,
        ...figures,
      },
      text: [
        machineLine(machine),
        `float16, ${heads} heads × ${headDim}, K ${k}; ${warmUp} rounds to warm up, then ${runs}; median`,
        typeof torch === 'string'
          ? `PyTorch was not run: ${torch}`
          : `PyTorch ${torch.torch}, CUDA ${torch.cuda}, ${torch.device}`,
        '',
        table(['', 'sparse', 'dense', 'launches', 'eager', 'flash', 'compile'], results.map(row)),
        ...results.flatMap(barLine),
        ...(gather ? [gatherLine(gather, torchCopy)] : []),
        ...(start ? [startLine(start)] : []),
        '',
      ].join('\n'),
    };
  },
});

/** Gates fit themselves, shapes are compared, graphs are made: all of that is done by then. */
const warmUp = 5;

async function measure(backend: CudaBackend, one: Case, runs: number): Promise<Pick<Result, 'ms' | 'launches'>> {
  const { workload, dispose } = workloadOf(backend, one);
  const run = (own: OwnRun) => async () => {
    const start = performance.now();
    await own.run(new AbortController().signal);
    return performance.now() - start;
  };
  const sparse = run(workload.own['flashmla-sparse']);
  try {
    const times = await alternate([sparse, run(workload.own['flashmla-dense'])], warmUp + runs);
    const [sparseMs, denseMs] = times.map((timed) => spreadOf(timed.slice(warmUp)));
    const before = backend.launches;
    await sparse();
    const { graphs, kernels } = backend.launches;
    const launches = { graphs: graphs - before.graphs, kernels: kernels - before.kernels };
    return { ms: { sparse: sparseMs!, dense: denseMs! }, launches };
  } finally {
    dispose();
  }
}

function workloadOf(
  backend: CudaBackend,
  { subject, tokens, batch, layers: count, k }: Case,
): { workload: Workload; dispose: () => void } {
  if (subject === 'attention') {
    const workload = attentionWorkloads(backend, bertBase, 'float16')(tokens, k);
    return { workload, dispose: () => workload.dispose() };
  }
  const workloads = new EncoderWorkloads(
    backend,
    { ...bertBase, layers: count },
    { dtype: 'float16', staysOnDevice: true },
  );
  const workload = workloads.workloadOf(tokens, k, batch);
  return {
    workload,
    dispose() {
      workload.dispose();
      workloads.dispose();
    },
  };
}

const spreadsOf = ({ cases }: TorchTimes, at: number): Result['torch'] =>
  Object.fromEntries(
    Object.entries(cases[at]!).map(([name, times]) => [name, typeof times === 'string' ? times : spreadOf(times)]),
  );

function versionsOf(torch: TorchTimes | string): object {
  if (typeof torch === 'string') return { reason: torch };
  return { torch: torch.torch, cuda: torch.cuda, device: torch.device };
}

const nameOf = ({ subject, batch, tokens, layers: count }: Case): string =>
  subject === 'attention' ? `attention ${tokens}` : `encoder ${count} layers, ${batch} × ${tokens}`;

function row(result: Result): string[] {
  const { graphs, kernels } = result.launches;
  const peer = (name: string) => {
    const spread = result.torch[name];
    return spread === undefined || typeof spread === 'string' ? '–' : milliseconds(spread.median);
  };
  return [
    nameOf(result),
    ...[result.ms.sparse, result.ms.dense].map(({ median }) => milliseconds(median)),
    `${graphs} + ${kernels}`,
    ...['eager', 'flash', 'compile'].map(peer),
  ];
}

function barLine(result: Result): string[] {
  const { bar, torch, ms } = result;
  if (!bar) return [];
  const peer = torch[bar.against];
  const asked = `bar: ≥ ${bar.times}×`;
  if (peer === undefined) return [`${nameOf(result)} against PyTorch ${bar.against}: not run; ${asked}`];
  if (typeof peer === 'string') return [`${nameOf(result)} against PyTorch ${bar.against}: ${peer}; ${asked}`];
  const times = peer.median / ms.sparse.median;
  const held = verdict(times >= bar.times);
  return [`${nameOf(result)}: ${times.toFixed(2)}× as fast as PyTorch ${bar.against}; ${asked}: ${held}`];
}

/** @param torchCopy milliseconds of PyTorch's copy of as many bytes; of both copies the faster one counts */
function gatherLine({ gather, copy }: Gather, torchCopy: Spread | undefined): string {
  const perSecond = (bytes: number, ms: number) => (bytes / ms) * 1e3;
  const gathered = perSecond(gather.bytes, gather.ms.median);
  const copied = perSecond(copy.bytes, Math.min(copy.ms.median, torchCopy?.median ?? Number.POSITIVE_INFINITY));
  const rates = `${(gathered / 1e9).toFixed(0)} GB/s gathered, ${(copied / 1e9).toFixed(0)} GB/s copied`;
  const share = gathered / copied;
  return `gather: ${rates}, a share of ${share.toFixed(2)}; bar: ≥ ${bars.gather}: ${verdict(share >= bars.gather)}`;
}

const startLine = ({ median, runs }: Spread): string =>
  `first result of the shipped model: ${milliseconds(median)}, median of ${runs} processes; bar: ≤ ${bars.startMs} ms: ` +
  verdict(median <= bars.startMs);

const numberOr = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);
