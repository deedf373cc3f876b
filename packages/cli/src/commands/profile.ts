// flashmla profile: where a forward pass spends its time, op by op, and how near each op comes to what the device can do.

import {
  chromeTrace,
  measureRoofline,
  type OpSummary,
  type ProfileSummary,
  type Roofline,
  summarizeProfile,
} from '@flashmla/backend';
import { readTextFile } from '@flashmla/evaluation';
import { type EncodedText, type EncoderModel, sampleTexts, swapAttention } from '@flashmla/model-swap';
import type { Profile } from '@flashmla/tensor';
import { type Context, command } from '../command.ts';
import { computed } from '../computed.ts';
import { withModel } from '../opening.ts';
import {
  attentionOption,
  backendOption,
  gateOption,
  kOption,
  modelOption,
  oneGiven,
  parseSwap,
  parseWhole,
  threadsOption,
} from '../options.ts';
import { type Column, formatFlops, formatMs, formatPercent, none, table } from '../output.ts';
import { writeWhole } from '../write-whole.ts';

const options = {
  model: modelOption,
  tokens: { type: 'string', value: 'N', description: 'so many tokens of texts that come with the command line' },
  text: { type: 'string', value: 'T', description: 'the text' },
  file: { type: 'string', value: 'F', description: 'a file that is the text' },
  attention: attentionOption,
  k: kOption,
  gate: gateOption,
  trace: { type: 'string', value: 'FILE', description: 'write a trace for chrome://tracing and ui.perfetto.dev' },
  backend: backendOption,
  threads: threadsOption,
} as const;

export const profile = command({
  name: 'profile',
  summary: 'Where a forward pass of a model spends its time, against the roofline of the device.',
  usage: '--model DIR (--tokens N | --text T | --file F) [--attention dense|sparse] [--k K] [--gate G] [--trace FILE]',
  details:
    'One text, from its token ids to the logits, after warm-up runs. Sparse attention is forced at every length. An op has a\n' +
    "line for each of its sizes. GFLOP/s and GB/s count what the op's definition asks for. of roofline: the least time that\n" +
    'the roofline allows ÷ the time taken; above 100 % where data lay in a cache. The roofline is what linear and layer-norm\n' +
    'reach here on large inputs, measured beside it. density: useful ÷ issued multiply-adds, by the plan. balance: the time that\n' +
    'threads were at kernels ÷ all their time; they waited for each other for the rest.',
  options,

  async run(values, context) {
    const { attention, swap } = parseSwap(values);
    const [source, given] = oneGiven(options, values, ['tokens', 'text', 'file']);
    const wanted = parseWhole('tokens', values.tokens, 1);
    const text = source === 'file' ? await readTextFile(given) : given;
    return withModel(values, context, async (model) => {
      const { backend } = model;
      if (swap) swapAttention(model, { ...swap, crossover: 0 });
      const { encoded, roofline, profile: taken } = await take(model, wanted ?? text, context);
      const summary = summarizeProfile(taken, roofline);
      if (values.trace !== undefined) await writeWhole(values.trace, JSON.stringify(chromeTrace(taken, backend)));
      const { k } = computed(model);
      const { description: device } = backend.device;
      const tokens = encoded.ids.length;
      const cut =
        wanted !== undefined && tokens < wanted ? `, the most this model takes (${wanted} were asked for)` : '';
      const kind = k === null ? 'dense attention' : `sparse attention, K ${k}`;
      const { timing } = taken;
      return {
        json: { backend: backend.name, device, attention, k, tokens, timing, roofline, ...summary },
        text: [
          `${kind}, ${tokens} tokens${cut}, on ${backend.name}: ${device}`,
          '',
          table(columns(summary), summary.ops),
          ...notesOn(summary, roofline),
          `Timed ${timing.description}.`,
          ...(values.trace === undefined ? [] : [`The trace is in ${values.trace}: open it in ui.perfetto.dev.`]),
          '',
        ].join('\n'),
      };
    });
  },
});

interface Taken {
  readonly encoded: EncodedText;
  readonly roofline: Roofline;
  readonly profile: Profile<void>;
}

/** @param source the text, or how many tokens of texts of this project's */
async function take(model: EncoderModel, source: string | number, { signal, progress }: Context): Promise<Taken> {
  const tokens = typeof source === 'number' ? Math.min(source, model.tokenizer.maxTokens) : model.tokenizer.maxTokens;
  const text = typeof source === 'number' ? textOf(tokens) : source;
  const [encoded] = model.encode([text], { maxTokens: tokens });
  // Hidden states are what a model without a head is for.
  const hidden = model.labels.length === 0;
  const forward = () =>
    model.forward([encoded!], { hidden, signal }, async (result) => {
      await (hidden ? result.hidden! : result.logits!).data();
    });
  progress.start('fitting gates, warming up');
  await model.run([text], { signal, hidden: false });
  await forward();
  progress.start('measuring the roofline');
  // Beside what is measured against it: a busy machine is slower at both.
  const roofline = await measureRoofline(model.backend, { fresh: true });
  progress.start('profiling');
  const profile = await model.backend.profile(forward);
  progress.stop();
  return { encoded: encoded!, roofline, profile };
}

/** At least `tokens` tokens: each text has 280 words or more. */
function textOf(tokens: number): string {
  const count = Math.ceil(tokens / 280);
  return Array.from({ length: count }, (_, index) => sampleTexts[index % sampleTexts.length]!).join(' ');
}

function columns({ ops }: ProfileSummary): readonly Column<OpSummary>[] {
  const share = (value: number | undefined) => (value === undefined ? none : formatPercent(value));
  return [
    { title: 'op', align: 'left', value: ({ op }) => op },
    { title: 'first input → output', align: 'left', value: ({ shape }) => shape },
    { title: 'calls', value: ({ calls }) => `${calls}` },
    { title: 'time', value: ({ totalMs }) => formatMs(totalMs) },
    { title: 'share', value: (row) => share(row.share) },
    { title: 'GFLOP/s', value: ({ flopsPerSecond }) => (flopsPerSecond / 1e9).toFixed(2) },
    { title: 'GB/s', value: ({ bytesPerSecond }) => (bytesPerSecond / 1e9).toFixed(2) },
    { title: 'FLOP/byte', value: ({ intensity }) => intensity.toFixed(1) },
    { title: 'of roofline', value: ({ rooflineShare }) => share(rooflineShare) },
    { title: 'density', value: ({ density }) => share(density) },
    ...(ops.some(({ balance }) => balance !== undefined)
      ? [{ title: 'balance', value: ({ balance }: OpSummary) => share(balance) }]
      : []),
  ];
}

function notesOn({ opsMs, wallMs }: ProfileSummary, { flopsPerSecond, bytesPerSecond }: Roofline): string[] {
  const bandwidth = `${(bytesPerSecond / 1e9).toFixed(1)} GB/s`;
  return [
    `Ops: ${formatMs(opsMs)} of ${formatMs(wallMs)}, ${formatPercent(opsMs / wallMs)}; else the host prepared, dispatched, read back.`,
    `Roofline: ${formatFlops(flopsPerSecond)}/s, ${bandwidth}: what linear and layer-norm reach here on large inputs.`,
  ];
}
