// bench:cuda: attention alone and BERT-base's encoder on the GPU, in float16, against our own dense and against PyTorch.
//
// Ours run in turn. PyTorch runs afterwards, in a process of its own: its rounds do not alternate with ours.

import { type CudaBackend, provider } from '@flashmla/kernels-cuda';
import { attentionWorkloads, bertBase, EncoderWorkloads, type OwnRun, type Workload } from '@flashmla/workloads';
import { main, progress, whole } from './command.ts';
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

const { heads, headDim, layers, intermediateDim } = bertBase;
const sizes = { heads, headDim, intermediateDim };

void main({
  name: 'cuda',
  summary: 'attention alone and a BERT-base encoder on CUDA in float16, against our dense and PyTorch on the same GPU.',
  options: {
    attention: "lengths of attention alone; default 8192,65536; '' for none",
    encoder: "batches of the encoder, of 512 tokens each; default 1,32; '' for none",
    layers: `layers of the encoder; default ${layers}`,
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

    const device = values.device;
    const backend = await provider.open(device === undefined ? {} : { device: numberOr(device) });
    const machine = describeMachine(backend);
    const own: Pick<Result, 'ms' | 'launches'>[] = [];
    for (const one of cases) {
      progress(nameOf(one));
      own.push(await measure(backend, one, runs));
    }
    await backend.dispose();
    progress('PyTorch');
    const torch = await timeTorch(values.python ?? 'python3', { warmUp, runs, cases });
    progress('');
    const results = cases.map(
      (one, at): Result => ({ ...one, ...own[at]!, torch: typeof torch === 'string' ? {} : spreadsOf(torch, at) }),
    );
    return {
      json: { benchmark: 'cuda', machine, dtype: 'float16', warmUp, runs, torch: versionsOf(torch), results },
      text: [
        machineLine(machine),
        `float16, ${heads} heads × ${headDim}, K ${k}; ${warmUp} rounds to warm up, then ${runs}; median`,
        typeof torch === 'string'
          ? `PyTorch was not run: ${torch}`
          : `PyTorch ${torch.torch}, CUDA ${torch.cuda}, ${torch.device}`,
        '',
        table(['', 'sparse', 'dense', 'launches', 'eager', 'flash', 'compile'], results.map(row)),
        ...results.flatMap(barLine),
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

const numberOr = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);
