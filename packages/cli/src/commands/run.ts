// flashmla run: texts through a model, its attention dense or sparse.

import { parseJsonl, readTextFile } from '@flashmla/evaluation';
import { recommendK } from '@flashmla/gating';
import { type EncodedText, type EncoderModel, swapAttention, type TextInput } from '@flashmla/model-swap';
import { type Context, command, type Values } from '../command.ts';
import { computed } from '../computed.ts';
import { badInput } from '../errors.ts';
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
  parseWhole,
  threadsOption,
} from '../options.ts';
import { type RunResult, resultTables } from '../run/tables.ts';

const options = {
  model: modelOption,
  text: { type: 'string', value: 'T', description: 'the text' },
  file: { type: 'string', value: 'F', description: 'a file that is the text' },
  jsonl: { type: 'string', value: 'F', description: 'a file of texts, one { text }, { a, b } or { tokens } a line' },
  top: { type: 'string', value: 'N', description: 'candidates for each mask of a masked language model; default: 5' },
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

/** A text, a pair, or a text by its words. */
type Source = TextInput | { readonly tokens: readonly string[] };

export const run = command({
  name: 'run',
  summary: 'Runs texts through a model, its attention dense or sparse.',
  usage:
    '--model DIR (--text T | --file F | --jsonl F) [--attention dense|sparse] [--k K] [--gate G] [--crossover N] [--top N]',
  details:
    'Texts run one after the other. elapsedMs is the time of one text, tokenizing included; loading the model, fitting its\n' +
    'gates and measuring the crossover come before: the longest text runs once untimed.',
  options,

  async run(values, context) {
    const { attention, swap } = parseSwap(values);
    const top = parseWhole('top', values.top, 1);
    const sources = await sourcesOf(values);
    return withModel(values, context, async (model) => {
      if (model.head === 'masked-language-model') checkMasks(model, sources);
      if (swap) swapAttention(model, swap);
      const results = await runAll(model, sources, { ...context, ...(top !== undefined && { top }) });
      const { name } = model.backend;
      const ks = new Set(results.map(({ tokens }) => recommendK(tokens)));
      const isChosen = model.chosen !== undefined && swap !== undefined && Object.keys(swap).length === 0;
      const byLength = ks.size === 1 && !isChosen ? [...ks][0]! : null;
      const k = attention === 'dense' ? null : (swap?.k ?? byLength);
      const keys = isChosen ? 'as was chosen for the model' : `K ${k ?? 'by length'}`;
      const title = attention === 'dense' ? 'dense attention' : `sparse attention, ${keys}`;
      return {
        json: { backend: name, dtype: model.dtype, attention, k, results },
        text: `${title}, ${model.dtype}, on ${name}: ${model.backend.device.description}\n\n${resultTables(model, sources.map(shownText), results)}`,
      };
    });
  },
});

async function sourcesOf(values: Values<typeof options>): Promise<Source[]> {
  const [source, given] = oneGiven(options, values, ['text', 'file', 'jsonl']);
  if (source === 'text') return [given];
  const text = await readTextFile(given);
  if (source === 'file') return [text];
  return parseJsonl(text, given).map((row) => {
    const tokens = row.tokens();
    return tokens ? { tokens } : row.text();
  });
}

const isByWords = (source: Source): source is Exclude<Source, TextInput> =>
  typeof source === 'object' && 'tokens' in source;

const encode = ({ tokenizer }: EncoderModel, source: Source): EncodedText =>
  isByWords(source) ? tokenizer.encodeWords(source.tokens) : tokenizer.encode(source);

const shownText = (source: Source): string =>
  isByWords(source) ? source.tokens.join(' ') : typeof source === 'string' ? source : source.join(' / ');

function checkMasks(model: EncoderModel, sources: readonly Source[]): void {
  const { tokenizer } = model;
  if (sources.some((source) => tokenizer.masksOf(encode(model, source)).length > 0)) return;
  const mask = tokenizer.maskToken === undefined ? undefined : tokenizer.token(tokenizer.maskToken);
  throw badInput(
    mask === undefined
      ? "this is a masked language model, and its tokenizer has no mask; give the folder the model's own tokenizer.json."
      : `this is a masked language model, and no text has a mask within the tokens that it takes; write ${mask} where a word is to be found.`,
  );
}

async function runAll(
  model: EncoderModel,
  sources: readonly Source[],
  { signal, progress, top }: Context & { top?: number },
): Promise<RunResult[]> {
  const options = { signal, hidden: false, ...(top !== undefined && { top }) } as const;
  const lengths = sources.map((source) => encode(model, source).ids.length);
  const longest = sources[lengths.indexOf(Math.max(...lengths))]!;
  progress.start('fitting gates, warming up');
  await model.run([encode(model, longest)], options);
  progress.start('running');
  const results: RunResult[] = [];
  for (const source of sources) {
    const start = performance.now();
    const { logits, labels, scores, tokenLabels, masks, tokens, truncated } = await model.run(
      [encode(model, source)],
      options,
    );
    const elapsedMs = performance.now() - start;
    results.push({
      tokens: tokens[0]!,
      label: labels?.[0] ?? null,
      score: scores?.[0] ?? null,
      logits: model.head === 'sequence-classification' ? [...(logits!.array as Float32Array)] : [],
      ...(tokenLabels && { tokenLabels: tokenLabels[0]! }),
      ...(masks && { masks: masks[0]! }),
      elapsedMs,
      ...computed(model),
      truncated: truncated[0]!,
    });
    progress.update(results.length / sources.length, `text ${results.length} of ${sources.length}`);
  }
  progress.stop();
  return results;
}
