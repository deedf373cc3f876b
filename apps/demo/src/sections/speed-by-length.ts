// How the speed-up grows with the length: one text cut to several lengths.

import { FlashMLAAttention } from '@flashmla/attention';
import type { EncodedText, EncoderModel } from '@flashmla/model-swap';
import { bar, clip, formatMs, formatTimes } from '../format.ts';
import { both, costOf, withSparse } from '../measure.ts';
import type { Screen } from '../screen.ts';
import type { Text } from '../texts.ts';

const lengths = [128, 256, 512, 1024, 2048, 4096];
const barWidth = 34;

export async function showSpeedByLength(
  screen: Screen,
  model: EncoderModel,
  { name, content }: Text,
  k: number | undefined,
): Promise<void> {
  const [whole] = model.encode(content);
  const tokens = whole!.ids.length;
  const cuts = [...lengths.filter((length) => length < tokens), tokens];
  const rows = [];
  for (const cut of cuts) {
    const encoded = model.encode(content, { maxTokens: cut });
    const run = () => forward(model, encoded);
    const { dense, sparse } = await both(model, k, () => costOf(model, run));
    const normally = await withSparse(model, { k, crossover: 'measured' }, async () => {
      await run();
      const { attention } = model.encoder.layer[0]!;
      return attention instanceof FlashMLAAttention ? attention.statistics.last!.chosen : 'dense';
    });
    rows.push({ cut, dense, sparse, normally, times: dense.elapsedMs / sparse.elapsedMs });
  }
  screen.heading(`Speed-up by length (${clip(name, 40)}, cut)`);
  screen.line(screen.paint('dim', `${head('tokens', 'dense', 'sparse', 'speed-up')}${' '.repeat(barWidth)}normally`));
  const most = Math.max(...rows.map(({ times }) => times));
  for (const { cut, dense, sparse, normally, times } of rows) {
    const figures = head(`${cut}`, formatMs(dense.elapsedMs), formatMs(sparse.elapsedMs), formatTimes(times));
    const drawn = bar((times / most) * (barWidth - 2)).padEnd(barWidth);
    screen.line(`${figures}${screen.paint(times > 1 ? 'green' : 'yellow', drawn)}${normally}`);
  }
  screen.line();
  screen.prose(
    'normally: what swapAttention(model) takes by itself. It measures on this machine from which length on sparse ' +
      'is the faster, and runs shorter texts dense: a short text never gets slower.',
  );
}

const forward = (model: EncoderModel, texts: readonly EncodedText[]) =>
  model.forward(texts, { hidden: false }, async ({ logits }) => logits?.data());

const head = (tokens: string, dense: string, sparse: string, times: string): string =>
  `${tokens.padStart(6)}${dense.padStart(9)}${sparse.padStart(9)}${times.padStart(10)}  `.padEnd(36);
