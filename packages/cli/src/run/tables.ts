// What `flashmla run` prints: a line a text, and below it what heads over tokens say, a line a word or a mask.

import type { EncoderModel, MaskedToken, TokenLabel } from '@flashmla/model-swap';
import type { Computed } from '../computed.ts';
import { type Column, formatMs, formatPercent, none, shorten, table } from '../output.ts';

export interface RunResult extends Computed {
  readonly tokens: number;
  /** Of a model that has labels for texts; else null. */
  readonly label: string | null;
  /** Of a model with one label; else null. */
  readonly score: number | null;
  /** Of a sequence classifier; else empty. */
  readonly logits: readonly number[];
  /** Of a token classifier. */
  readonly tokenLabels?: readonly TokenLabel[];
  /** Of a masked language model. */
  readonly masks?: readonly MaskedToken[];
  readonly elapsedMs: number;
  /** Whether the text was longer than the model takes, and its end was left out. */
  readonly truncated: boolean;
}

interface Row extends RunResult {
  readonly text: string;
}

/** @param texts as they are to be shown */
export function resultTables(model: EncoderModel, texts: readonly string[], results: readonly RunResult[]): string {
  const rows = results.map((result, index): Row => ({ ...result, text: texts[index]! }));
  const below = [
    ...(results.some(({ tokenLabels }) => tokenLabels) ? [wordTable(model, results)] : []),
    ...(results.some(({ masks }) => masks) ? [maskTable(results)] : []),
  ];
  return [textTable(rows), ...below].join('\n');
}

function textTable(rows: readonly Row[]): string {
  const label: readonly Column<Row>[] = [
    { title: 'label', align: 'left', value: ({ label }) => label ?? none },
    { title: 'confidence', value: ({ logits }) => formatPercent(confidence(logits)) },
  ];
  const score: readonly Column<Row>[] = [{ title: 'score', value: ({ score }) => score?.toFixed(4) ?? none }];
  return table<Row>(
    [
      { title: 'tokens', value: ({ tokens, truncated }) => `${tokens}${truncated ? ' (cut)' : ''}` },
      ...(rows.some(({ label }) => label !== null) ? label : []),
      ...(rows.some(({ score }) => score !== null) ? score : []),
      { title: 'time', value: ({ elapsedMs }) => formatMs(elapsedMs) },
      { title: 'K', value: ({ k }) => (k === null ? 'dense' : `${k}`) },
      { title: 'keys computed', value: ({ density }) => formatPercent(density) },
      { title: 'text', align: 'left', value: ({ text }) => shorten(text, 48) },
    ],
    rows,
  );
}

interface Word {
  readonly text: number;
  readonly pieces: readonly TokenLabel[];
}

/** A word has the label of its first piece. */
function wordTable({ tokenizer }: EncoderModel, results: readonly RunResult[]): string {
  const words = results.flatMap(({ tokenLabels = [] }, text): Word[] =>
    [...new Set(tokenLabels.map(({ word }) => word))].map((number) => ({
      text,
      pieces: tokenLabels.filter(({ word }) => word === number),
    })),
  );
  return table<Word>(
    [
      { title: 'text', value: ({ text }) => `${text + 1}` },
      {
        title: 'word',
        align: 'left',
        // Decoding leaves out the token for the unknown, which can be all of a word.
        value: ({ pieces }) => shorten(tokenizer.decode(pieces.map(({ id }) => id)) || pieces[0]!.token, 32),
      },
      { title: 'label', align: 'left', value: ({ pieces }) => pieces[0]!.label },
      { title: 'confidence', value: ({ pieces }) => formatPercent(pieces[0]!.score) },
    ],
    words,
  );
}

interface Mask extends MaskedToken {
  readonly text: number;
}

function maskTable(results: readonly RunResult[]): string {
  const all = results.flatMap(({ masks = [] }, text) => masks.map((mask): Mask => ({ text, ...mask })));
  return table<Mask>(
    [
      { title: 'text', value: ({ text }) => `${text + 1}` },
      { title: 'token', value: ({ index }) => `${index}` },
      {
        title: 'behind the mask',
        align: 'left',
        value: ({ candidates }) => candidates.map(({ token, score }) => `${token} ${formatPercent(score)}`).join(', '),
      },
    ],
    all,
  );
}

/** Softmax of the largest logit. */
function confidence(logits: readonly number[]): number {
  const largest = Math.max(...logits);
  return 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
}
