// flashmla run: texts through a model, its attention dense or sparse.

import { FlashMLAAttention } from '@flashmla/attention';
import { recommendK } from '@flashmla/gating';
import { type EncoderModel, swapAttention, type TextInput } from '@flashmla/model-swap';
import { type Context, command, type Values } from '../command.ts';
import { readTextFile, readTexts } from '../data.ts';
import { badInput } from '../errors.ts';
import { withModel } from '../opening.ts';
import {
  type AttentionKind,
  attentionKinds,
  backendOption,
  dtypeOption,
  gateOption,
  modelOption,
  parseChoice,
  parseGate,
  parseWhole,
  threadsOption,
} from '../options.ts';
import { type Column, formatMs, formatPercent, none, shorten, table } from '../output.ts';

const options = {
  model: modelOption,
  text: { type: 'string', value: 'T', description: 'the text' },
  file: { type: 'string', value: 'F', description: 'a file that is the text' },
  jsonl: { type: 'string', value: 'F', description: 'a file of texts, one { "text": … } a line' },
  attention: { type: 'string', value: 'KIND', description: 'dense or sparse (default)' },
  k: { type: 'string', value: 'K', description: 'keys a query attends to; default: by length, 16, 32 or 64' },
  gate: gateOption,
  crossover: {
    type: 'string',
    value: 'N',
    description: 'fewer tokens than this run dense, 0 = none do; default: measured on the device',
  },
  dtype: dtypeOption,
  backend: backendOption,
  threads: threadsOption,
} as const;

interface Result {
  readonly tokens: number;
  /** null for a model without labels. */
  readonly label: string | null;
  readonly logits: readonly number[];
  readonly elapsedMs: number;
  /** Keys a query attended to; null where all of the model ran dense. */
  readonly k: number | null;
  /** Share of keys computed for a query, residual groups included, mean over the layers. */
  readonly density: number;
  /** Whether the text was longer than the model takes, and its end was left out. */
  readonly truncated: boolean;
}

export const run = command({
  name: 'run',
  summary: 'Runs texts through a model, its attention dense or sparse.',
  usage: '--model DIR (--text T | --file F | --jsonl F) [--attention dense|sparse] [--k K] [--gate G] [--crossover N]',
  details:
    'Texts run one after the other. elapsedMs is the time of one text, tokenizing included; loading the model, fitting its\n' +
    'gates and measuring the crossover come before: the longest text runs once untimed.',
  options,

  async run(values, context) {
    const attention =
      values.attention === undefined ? 'sparse' : parseChoice('attention', values.attention, attentionKinds);
    const swap = swapOptions(values, attention);
    const texts = await textsOf(values);
    return withModel(values, context, async (model) => {
      if (swap) swapAttention(model, swap);
      const results = await runAll(model, texts, context);
      const { name } = model.backend;
      const ks = new Set(results.map(({ tokens }) => recommendK(tokens)));
      const k = attention === 'dense' ? null : (swap?.k ?? (ks.size === 1 ? [...ks][0]! : null));
      const title = attention === 'dense' ? 'dense attention' : `sparse attention, K ${k ?? 'by length'}`;
      return {
        json: { backend: name, dtype: model.dtype, attention, k, results },
        text: `${title}, ${model.dtype}, on ${name}: ${model.backend.device.description}\n\n${resultTable(texts, results)}`,
      };
    });
  },
});

/** What to swap in; undefined = nothing, it stays dense. */
function swapOptions(values: Values<typeof options>, attention: AttentionKind) {
  const k = parseWhole('k', values.k, 1);
  const crossover = parseWhole('crossover', values.crossover, 0);
  const gate = parseGate(values.gate);
  if (attention === 'sparse')
    return { gate, ...(k !== undefined && { k }), ...(crossover !== undefined && { crossover }) };
  const useless = (['k', 'gate', 'crossover'] as const).find((option) => values[option] !== undefined);
  if (useless === undefined) return undefined;
  throw badInput(`--${useless} was given with --attention dense, where it means nothing; leave one of them out.`);
}

async function textsOf({ text, file, jsonl }: Values<typeof options>): Promise<TextInput[]> {
  const given = [text, file, jsonl].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const problem = given.length === 0 ? 'there is no text' : 'there is more than one source of texts';
    throw badInput(`${problem}; give one of --text T, --file F, --jsonl F.`);
  }
  if (jsonl !== undefined) return readTexts(jsonl);
  return [text ?? (await readTextFile(file!))];
}

async function runAll(
  model: EncoderModel,
  texts: readonly TextInput[],
  { signal, progress }: Context,
): Promise<Result[]> {
  const lengths = texts.map((text) => model.encode([text])[0]!.ids.length);
  const longest = texts[lengths.indexOf(Math.max(...lengths))]!;
  progress.start('fitting gates, warming up');
  await model.run([longest], { signal, hidden: false });
  progress.start('running');
  const results: Result[] = [];
  for (const text of texts) {
    const start = performance.now();
    const { logits, labels, tokens, truncated } = await model.run([text], { signal, hidden: false });
    const elapsedMs = performance.now() - start;
    results.push({
      tokens: tokens[0]!,
      label: labels?.[0] ?? null,
      logits: logits ? [...(logits.array as Float32Array)] : [],
      elapsedMs,
      ...computed(model),
      truncated: truncated[0]!,
    });
    progress.update(results.length / texts.length, `text ${results.length} of ${texts.length}`);
  }
  progress.stop();
  return results;
}

/** What the layers did with the last text. */
function computed(model: EncoderModel): Pick<Result, 'k' | 'density'> {
  const calls = model.encoder.layer.map(({ attention }) =>
    attention instanceof FlashMLAAttention ? attention.statistics.last : undefined,
  );
  const density = calls.reduce((sum, call) => sum + (call?.density ?? 1), 0) / calls.length;
  return { k: calls.find((call) => call?.chosen === 'sparse')?.k ?? null, density };
}

interface Row extends Result {
  readonly text: string;
}

function resultTable(texts: readonly TextInput[], results: readonly Result[]): string {
  const rows = results.map((result, index): Row => ({ ...result, text: [texts[index]!].flat().join(' / ') }));
  const answer: readonly Column<Row>[] = [
    { title: 'label', align: 'left', value: ({ label }) => label ?? none },
    { title: 'confidence', value: ({ logits }) => formatPercent(confidence(logits)) },
  ];
  return table<Row>(
    [
      { title: 'tokens', value: ({ tokens, truncated }) => `${tokens}${truncated ? ' (cut)' : ''}` },
      ...(results.some(({ label }) => label !== null) ? answer : []),
      { title: 'time', value: ({ elapsedMs }) => formatMs(elapsedMs) },
      { title: 'K', value: ({ k }) => (k === null ? 'dense' : `${k}`) },
      { title: 'keys computed', value: ({ density }) => formatPercent(density) },
      { title: 'text', align: 'left', value: ({ text }) => shorten(text, 48) },
    ],
    rows,
  );
}

/** Softmax of the largest logit. */
function confidence(logits: readonly number[]): number {
  const largest = Math.max(...logits);
  return 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
}
