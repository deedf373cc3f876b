// Short texts, run as one batch: the same answers.

import type { EncoderModel } from '@flashmla/model-swap';
import { clip, formatMs, formatShare } from '../format.ts';
import { type Answer, both, classify, costOf } from '../measure.ts';
import { type Screen, screenWidth } from '../screen.ts';

const answerWidth = 17;
const textWidth = screenWidth - 2 * (answerWidth + 2);

export async function showShortTexts(
  screen: Screen,
  model: EncoderModel,
  texts: readonly string[],
  k: number | undefined,
): Promise<void> {
  const { dense, sparse } = await both(model, k, () => costOf(model, () => classify(model, texts)));
  screen.heading(`${texts.length} short texts, as one batch`);
  screen.line(screen.paint('dim', row('', 'dense', 'sparse')));
  texts.forEach((text, index) => {
    const [denseAnswer, sparseAnswer] = [dense.result[index]!, sparse.result[index]!];
    const line = row(clip(text, textWidth), describe(denseAnswer), describe(sparseAnswer));
    screen.line(denseAnswer.label === sparseAnswer.label ? line : screen.paint('yellow', line));
  });
  screen.line();
  screen.prose(
    `${dense.result.reduce((sum, { tokens }) => sum + tokens, 0)} tokens: dense ${formatMs(dense.elapsedMs)}, sparse ` +
      `${formatMs(sparse.elapsedMs)}, which computes ${formatShare(sparse.keysShare)} of the keys and pays for the ` +
      'gate. At this length there is little to gain.',
  );
}

const describe = ({ label, confidence }: Answer): string => `${label} ${formatShare(confidence, 1).padStart(7)}`;

const row = (text: string, dense: string, sparse: string): string =>
  `${text.padEnd(textWidth)}  ${dense.padEnd(answerWidth)}  ${sparse.padEnd(answerWidth)}`.trimEnd();
