// flashmla run: texts through a model, its attention dense or sparse.

import { readTextFile, readTexts } from '@flashmla/evaluation';
import { recommendK } from '@flashmla/gating';
import { type EncoderModel, swapAttention, type TextInput } from '@flashmla/model-swap';
import { type Context, command, type Values } from '../command.ts';
import { type Computed, computed } from '../computed.ts';
import { withModel } from '../opening.ts';
import {
  attentionOption,
  backendOption,
  dtypeOption,
  gateOption,
  kOption,
  modelOption,
  oneGiven,
  parseSwap,
  threadsOption,
} from '../options.ts';
import { type Column, formatMs, formatPercent, none, shorten, table } from '../output.ts';

const options = {
  model: modelOption,
  text: { type: 'string', value: 'T', description: 'the text' },
  file: { type: 'string', value: 'F', description: 'a file that is the text' },
  jsonl: { type: 'string', value: 'F', description: 'a file of texts, one { "text": … } a line' },
  attention: attentionOption,
  k: kOption,
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

interface Result extends Computed {
  readonly tokens: number;
  /** null for a model without labels. */
  readonly label: string | null;
  readonly logits: readonly number[];
  readonly elapsedMs: number;
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
    const { attention, swap } = parseSwap(values);
    const texts = await textsOf(values);
    return withModel(values, context, async (model) => {
      if (swap) swapAttention(model, swap);
      const results = await runAll(model, texts, context);
      const { name } = model.backend;
      const ks = new Set(results.map(({ tokens }) => recommendK(tokens)));
      const isChosen = model.chosen !== undefined && swap !== undefined && Object.keys(swap).length === 0;
      const byLength = ks.size === 1 && !isChosen ? [...ks][0]! : null;
      const k = attention === 'dense' ? null : (swap?.k ?? byLength);
      const keys = isChosen ? 'as was chosen for the model' : `K ${k ?? 'by length'}`;
      const title = attention === 'dense' ? 'dense attention' : `sparse attention, ${keys}`;
      return {
        json: { backend: name, dtype: model.dtype, attention, k, results },
        text: `${title}, ${model.dtype}, on ${name}: ${model.backend.device.description}\n\n${resultTable(texts, results)}`,
      };
    });
  },
});

async function textsOf(values: Values<typeof options>): Promise<TextInput[]> {
  const [source, given] = oneGiven(options, values, ['text', 'file', 'jsonl']);
  if (source === 'jsonl') return readTexts(given);
  return [source === 'text' ? given : await readTextFile(given)];
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
