// A picture of which keys a head chose, and which words they belong to.

import { FlashMLAAttention } from '@flashmla/attention';
import type { EncoderModel } from '@flashmla/model-swap';
import type { SelectionInit } from '@flashmla/tensor';
import { chosenParts, rankWords, timesChosen, wordsOf } from '../chosen-keys.ts';
import { clip, formatTimes } from '../format.ts';
import { withSparse } from '../measure.ts';
import type { Screen } from '../screen.ts';
import type { Text } from '../texts.ts';

/** Of the shipped model, a head whose choices a reader understands: it looks for words that judge. */
const shown = { layer: 1, head: 0 };

const mostRows = 20;
const parts = 64;
const labelWidth = 14;
const shades = [
  { from: 4, sign: '█' },
  { from: 2, sign: '▓' },
  { from: 1, sign: '▒' },
  { from: 0.5, sign: '░' },
];

export async function showChosenKeys(
  screen: Screen,
  model: EncoderModel,
  { name, content }: Text,
  k: number | undefined,
): Promise<void> {
  const selection = await selectionOf(model, content, k);
  const [encoded] = model.encode(content);
  const tokens = encoded!.ids.length;
  const words = wordsOf(Array.from(encoded!.ids, (id) => model.tokenizer.token(id) ?? ''));
  screen.heading(`Which keys a head chose (${clip(name, 30)}, layer ${shown.layer + 1}, head ${shown.head + 1})`);
  // A text with no more tokens than keys are selected runs dense; its picture would be one black square.
  if (!selection || words.length === 0) {
    return screen.prose('The text is too short: every query sees every key.');
  }

  // Longer words say more about what was looked for.
  const telling = words.filter(({ word }) => word.length >= 4);
  const rows = Math.min(mostRows, telling.length);
  const queries = Array.from({ length: rows }, (_, row) => telling[Math.floor((row * telling.length) / rows)]!);
  const columns = Math.min(parts, tokens);
  const starts = queries.map(({ start }) => start);
  const shares = chosenParts(selection, shown.head, tokens, starts, columns);
  const ruler = `token 1${String(tokens).padStart(columns - 7)}`;
  screen.line(screen.paint('dim', `${'query'.padEnd(labelWidth)}${ruler}`));
  queries.forEach(({ word }, row) => {
    const cells = Array.from(shares[row]!, shade).join('').trimEnd();
    screen.line(`${clip(word, labelWidth - 2).padEnd(labelWidth)}${screen.paint('cyan', cells)}`);
  });
  screen.line();
  const legend = [...shades].reverse().map(({ from, sign }) => `${sign} ${from}×`);
  screen.prose(
    `A line is a word of the text, a column ${Math.round(tokens / columns)} tokens of it. How often the word chose them, ` +
      `against chance: ${legend.join('  ')} and more.`,
  );
  const ranked = rankWords(words, timesChosen(selection, shown.head, tokens));
  const listed = ranked.slice(0, 14).map(({ word, times }) => `${word} ${formatTimes(times)}`);
  screen.prose(`Most chosen, by all words: ${listed.join(', ')}.`);
}

/** What the shown layer selects; undefined where it runs dense. */
function selectionOf(model: EncoderModel, content: string, k: number | undefined): Promise<SelectionInit | undefined> {
  return withSparse(model, { k, crossover: 0 }, async () => {
    const { attention } = model.encoder.layer[shown.layer]!;
    if (!(attention instanceof FlashMLAAttention)) return undefined;
    attention.keepSelection = true;
    await model.run(content, { hidden: false });
    return attention.lastSelection();
  });
}

const shade = (times: number): string => shades.find(({ from }) => times >= from)?.sign ?? ' ';
