// Long texts, one by one: the same answers for less.

import type { EncoderModel } from '@flashmla/model-swap';
import { clip, formatBytes, formatMs, formatShare, formatTimes } from '../format.ts';
import { both, classify, costOf } from '../measure.ts';
import type { Screen } from '../screen.ts';
import type { Text } from '../texts.ts';

const nameWidth = 22;

export async function showLongTexts(
  screen: Screen,
  model: EncoderModel,
  texts: readonly Text[],
  k: number | undefined,
): Promise<void> {
  screen.heading('Texts, one by one');
  screen.line(screen.paint('dim', row('', 'tokens', 'runs', 'label', 'sure', 'time', 'memory', 'keys')));
  const { heads } = model.architecture;
  let longest = 0;
  const notes = new Set<string>();
  for (const { name, content } of texts) {
    const { dense, sparse } = await both(model, k, async () => {
      const { result, ...cost } = await costOf(model, () => classify(model, [content]));
      return { ...cost, ...result[0]! };
    });
    longest = Math.max(longest, dense.tokens);
    const faster = `  ${formatTimes(dense.elapsedMs / sparse.elapsedMs)} as fast`;
    for (const [title, tokens, kind, run] of [
      [clip(name, nameWidth), dense.tokens, 'dense', dense],
      [faster, '', 'sparse', sparse],
    ] as const) {
      const cells = [formatShare(run.confidence, 1), formatMs(run.elapsedMs), formatBytes(run.peakBytes)];
      const line = row(title, `${tokens}`, kind, run.label, ...cells, formatShare(run.keysShare));
      screen.line(kind === 'dense' ? line : screen.paint(dense.label === sparse.label ? 'green' : 'yellow', line));
    }
    if (dense.truncated) {
      notes.add(`${name} is longer than the ${dense.tokens} tokens that the model takes: its end was left out.`);
    }
    if (sparse.keysShare === 1) notes.add(`${name} has no more tokens than sparse selects keys, so it runs dense.`);
  }
  screen.line();
  screen.prose(
    'memory: most in use at once beyond the weights. keys: computed for each query, mean over the layers; sparse ' +
      'counts the keys it picked and the stand-ins for the others. time: median, whole model, text to label.',
  );
  screen.prose(
    `Neither way keeps tokens × tokens scores, which would be ${formatBytes(4 * heads * longest ** 2)} a layer for the longest.`,
  );
  for (const note of notes) screen.prose(`Note: ${note}`, 6);
}

function row(name: string, tokens: string, kind: string, label: string, ...figures: string[]): string {
  const [sure, time, memory, keys] = figures as [string, string, string, string];
  return (
    name.padEnd(nameWidth) +
    tokens.padStart(6) +
    `  ${kind.padEnd(6)}  ${label.padEnd(8)}` +
    sure.padStart(8) +
    time.padStart(9) +
    memory.padStart(10) +
    keys.padStart(7)
  );
}
