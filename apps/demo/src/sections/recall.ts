// How much of dense attention the keys that were picked hold, beside the best and the plainest choice there is.

import { type EncoderModel, type GateMeasure, measureGates } from '@flashmla/model-swap';
import { bar, clip, formatShare } from '../format.ts';
import { withSparse } from '../measure.ts';
import type { Screen } from '../screen.ts';
import type { Text } from '../texts.ts';

const barWidth = 24;

export async function showRecall(
  screen: Screen,
  model: EncoderModel,
  { name, content }: Text,
  k: number | undefined,
): Promise<void> {
  const heads = await withSparse(model, { k, crossover: 0 }, () => measureGates(model, content));
  // Of a text with no more tokens than keys are selected there is nothing to measure.
  if (heads.length === 0) return;
  screen.heading(`Attention on the keys picked (${clip(name, 40)})`);
  screen.line(screen.paint('dim', row('layer', 'picked', 'best', 'window', 'error')));
  for (const layer of new Set(heads.map((head) => head.layer))) {
    const mean = meanOf(heads.filter((head) => head.layer === layer));
    const shares = [mean('recall'), mean('oracleRecall'), mean('staticRecall')].map((share) => formatShare(share, 1));
    const drawn = bar(mean('recall') * barWidth);
    screen.line(row(`${layer + 1}`, ...shares, formatShare(mean('error'), 1)) + screen.paint('green', drawn));
  }
  screen.line();
  screen.prose(
    "picked: share of dense attention on the keys that the gate picked, mean over a layer's heads. best: on as many of the " +
      'true best keys. window: on as many neighbours. error: how far the output is from dense, with the stand-ins for the ' +
      'keys that were not picked.',
  );
}

const meanOf = (heads: readonly GateMeasure[]) => (which: 'recall' | 'oracleRecall' | 'staticRecall' | 'error') =>
  heads.reduce((sum, head) => sum + head[which], 0) / heads.length;

const row = (layer: string, ...figures: string[]): string =>
  `${layer.padStart(6)}${figures.map((figure) => figure.padStart(10)).join('')}  `;
