// bench:memory: what one attention takes beyond its inputs and outputs, as the backend counts it and as the system sees
// it. Each kind runs in a process of its own: WASM memory never shrinks, so that a second one would find its room made.

import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { denseAttention, sparseAttention } from '@flashmla/attention';
import { provider } from '@flashmla/kernels-cpu';
import type { Selection } from '@flashmla/tensor';
import { fitOnNoise, fittedGate, headDim, heads, outputBytes, uploadInputs } from './attention-workload.ts';
import { badInput, main, progress, whole } from './command.ts';
import { describeMachine, type Machine, machineLine } from './machine.ts';
import { megabytes, table, verdict } from './table.ts';

const bar = { bytes: 256e6, tokens: 16384 };
const kinds = ['lists', 'blocks', 'dense'] as const;
type Kind = (typeof kinds)[number];

interface Result {
  readonly kind: Kind;
  /** Most memory in use at once while the gate works, beyond the inputs; there is no output yet. Dense has no gate. */
  readonly gateBytes?: number;
  /** Most memory in use at once while attention runs, the selection included, beyond inputs, output and lse. */
  readonly attentionBytes: number;
  /** The most that the process grew, output and lse included: seen from outside, so heap, code and stacks are in it. */
  readonly residentBytes: number;
}

const extraBytes = ({ gateBytes = 0, attentionBytes }: Result): number => Math.max(gateBytes, attentionBytes);

void main({
  name: 'memory',
  summary: `peak memory of one attention beyond inputs and outputs, ${heads} heads × ${headDim}.`,
  options: {
    tokens: `default ${bar.tokens}`,
    k: 'keys a query selects; default 64',
    threads: 'default 2',
    kind: `one of ${kinds.join(', ')}, measured in this process; default: all, each in one of its own`,
  },

  async run(values) {
    const tokens = whole('tokens', values.tokens, bar.tokens);
    const k = whole('k', values.k, 64);
    const threads = whole('threads', values.threads, 2);
    const kind = kinds.find((one) => one === values.kind);
    if (values.kind !== undefined && !kind) {
      throw badInput(`--kind is '${values.kind}'; expected one of ${kinds.join(', ')}.`);
    }
    const measured: { machine: Machine; results: Result[] }[] = [];
    for (const one of kind ? [kind] : kinds) {
      progress(one);
      measured.push(await (kind ? measure(one, tokens, k, threads) : measureApart(one, tokens, k, threads)));
    }
    progress('');
    const [{ machine }] = measured;
    const results = measured.flatMap((one) => one.results);
    const scoreBytes = 4 * heads * tokens ** 2;
    const sparse = results.filter((one) => one.kind !== 'dense');
    const holds = sparse.every((one) => extraBytes(one) <= bar.bytes);
    const rows = results.map((one) => [
      one.kind,
      one.gateBytes === undefined ? '' : megabytes(one.gateBytes),
      ...[one.attentionBytes, extraBytes(one), one.residentBytes].map(megabytes),
    ]);
    return {
      json: {
        benchmark: 'memory',
        machine,
        heads,
        headDim,
        tokens,
        k,
        runs: 1,
        warmUp: 0,
        results,
        scoreBytes,
        bar,
        holds,
      },
      text: [
        machineLine(machine),
        `one attention, gate included, batch 1, ${tokens} tokens, ${heads} heads × ${headDim}, K ${k}; its first run, ` +
          'a process for each kind',
        '',
        table(
          ['beyond inputs and outputs', 'gate', 'attention', 'peak', 'process, with outputs'],
          [...rows, ['dense scores alone would take', '', '', megabytes(scoreBytes), '']],
        ),
        ...(sparse.length > 0 && tokens === bar.tokens
          ? [`bar: peak ≤ ${megabytes(bar.bytes)} for lists and blocks: ${verdict(holds)}`]
          : []),
        '',
      ].join('\n'),
    };
  },
});

/** The same in a new process, which can collect its garbage when told to. */
async function measureApart(kind: Kind, tokens: number, k: number, threads: number) {
  const numbers = Object.entries({ tokens, k, threads }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const script = fileURLToPath(import.meta.url);
  const args = ['--expose-gc', script, '--kind', kind, '--json', ...numbers];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as { machine: Machine; results: Result[] };
}

async function measure(kind: Kind, tokens: number, k: number, threads: number) {
  const state = await fitOnNoise(k, undefined);
  const backend = await provider.open({ threads });
  const inputs = uploadInputs(backend, tokens);
  await backend.synchronize();
  // The host's copies of the inputs are freed in the background; going during the run, they would hide as much growth.
  globalThis.gc?.();
  await sleep(500);
  const usedBefore = backend.memory().usedBytes;
  const resident = new ResidentPeak();
  const peakOf = async <Output>(run: () => Promise<Output>) => {
    backend.resetPeak();
    const output = await run();
    await backend.synchronize();
    return { output, bytes: backend.memory().peakBytes - usedBefore };
  };
  let gateBytes: number | undefined;
  let selection: Selection | undefined;
  if (kind !== 'dense') {
    const gate = fittedGate(state, k, kind);
    const { output, bytes } = await peakOf(() => gate.select({ backend, query: inputs.query, key: inputs.key }));
    // The maps of the gate are on the device from its first call on: they are part of this.
    [selection, gateBytes] = [output, bytes];
  }
  const { bytes } = await peakOf(() =>
    selection ? sparseAttention(backend, { ...inputs, selection }) : denseAttention(backend, inputs),
  );
  const result: Result = {
    ...{ kind, ...(gateBytes !== undefined && { gateBytes }) },
    attentionBytes: bytes - outputBytes(tokens),
    residentBytes: resident.stop(),
  };
  const machine = describeMachine(backend);
  await backend.dispose();
  return { machine, results: [result] };
}

/** The most by which the resident set of this process grows, looked at every millisecond. */
class ResidentPeak {
  readonly #before = process.memoryUsage.rss();
  #most = this.#before;
  readonly #timer = setInterval(() => this.#look(), 1);

  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    return this.#most - this.#before;
  }

  #look(): void {
    this.#most = Math.max(this.#most, process.memoryUsage.rss());
  }
}
