// A chart of panels, one below the other, as SVG that reads in light and in dark: both axes logarithmic and labelled,
// whiskers from the slowest to the fastest run, lines named at their ends, and what could not be measured in words.

import {
  type Colour,
  fixed,
  gridLine,
  lineHeight,
  logScale,
  page,
  type Scale,
  textAt,
  ticksBetween,
} from '@flashmla/workloads';
import type { Panel, Point, Series } from './series.ts';

export interface ChartText {
  readonly title: string;
  /** Below all panels: machine, versions, command. */
  readonly notes: readonly string[];
}

const plot = { left: 64, right: 610, height: 250 };
const panelGap = 76;
const top = 56;
/** Line patterns by a series' rank in its family. */
const dashes = ['', '6 4', '2 3', '9 3 2 3', '12 3', '4 2 1 2'];

const classOf: Readonly<Record<Series['family'], Colour>> = {
  flashmla: 'flashmla',
  'onnxruntime-node': 'node',
  'onnxruntime-web': 'web',
};

export function chart(panels: readonly Panel[], { title, notes }: ChartText): string {
  const parts: string[] = [];
  let y = top;
  for (const panel of panels) {
    const { svg, height } = panelAt(panel, y);
    parts.push(svg);
    y += height + panelGap;
  }
  const footer = notes.map((note, index) => textAt(plot.left, y - 24 + index * lineHeight, note, 'note'));
  const height = y - 24 + notes.length * lineHeight;
  return page(title, plot.left, height, [...parts, ...footer]);
}

function panelAt({ batch, series }: Panel, y: number): { svg: string; height: number } {
  const points = series.flatMap((one) => one.points);
  const lengths = [
    ...new Set(series.flatMap((one) => [...one.points, ...one.missing]).map(({ tokens }) => tokens)),
  ].sort((a, b) => a - b);
  const x = logScale(lengths[0]!, lengths.at(-1)!, plot.left + 16, plot.right - 12);
  const rates = ticksBetween(
    Math.min(...points.map(({ least }) => least)),
    Math.max(...points.map(({ most }) => most)),
  );
  const rate = logScale(rates[0]!, rates.at(-1)!, y + plot.height, y);
  const grid = rates.map((tick) => gridLine(plot.left, plot.right, rate(tick), short(tick)));
  const axis = lengths.map((tokens) => textAt(x(tokens), y + plot.height + 18, `${tokens}`, 'tick', 'middle'));
  const missing = missingLines(series);
  return {
    svg: [
      textAt(
        plot.left,
        y - 12,
        `${batch === 1 ? 'One text' : `${batch} texts together`}: tokens per second, log scale`,
        'panel',
      ),
      ...grid,
      ...axis,
      textAt((plot.left + plot.right) / 2, y + plot.height + 35, 'tokens of a text, log scale', 'tick', 'middle'),
      ...series.map((one) => lineOf(one, x, rate)),
      ...endLabels(series, rate),
      ...missing.map((line, index) => textAt(plot.left, y + plot.height + 54 + index * lineHeight, line, 'note')),
    ].join('\n'),
    height: plot.height + missing.length * lineHeight,
  };
}

function lineOf({ family, rank, points }: Series, x: Scale, rate: Scale): string {
  const name = classOf[family];
  const dash = dashes[rank % dashes.length] ? ` stroke-dasharray="${dashes[rank % dashes.length]}"` : '';
  const at = (point: Point) => `${fixed(x(point.tokens))},${fixed(rate(point.rate))}`;
  return [
    `<polyline class="line ${name}"${dash} points="${points.map(at).join(' ')}"/>`,
    ...points.map(({ tokens, rate: middle, least, most }) => {
      const centre = fixed(x(tokens));
      return (
        `<line class="${name}" x1="${centre}" x2="${centre}" y1="${fixed(rate(least))}" y2="${fixed(rate(most))}"/>` +
        `<circle class="${name}" cx="${centre}" cy="${fixed(rate(middle))}" r="3"/>`
      );
    }),
  ].join('\n');
}

/** The names of the lines, each as near to its end as the others leave room for. */
function endLabels(series: readonly Series[], rate: Scale): string[] {
  const ends = series
    .filter(({ points }) => points.length > 0)
    .map((one) => ({ one, y: rate(one.points.at(-1)!.rate) }))
    .sort((a, b) => a.y - b.y);
  let lowest = Number.NEGATIVE_INFINITY;
  return ends.map(({ one, y }) => {
    lowest = Math.max(y, lowest + lineHeight - 1);
    const dash = dashes[one.rank % dashes.length] ? ` stroke-dasharray="${dashes[one.rank % dashes.length]}"` : '';
    const name = classOf[one.family];
    return (
      `<line class="line ${name}"${dash} x1="${plot.right + 8}" x2="${plot.right + 34}" y1="${fixed(lowest)}" y2="${fixed(lowest)}"/>` +
      textAt(plot.right + 40, lowest + 4, one.label, name)
    );
  });
}

/** 'onnxruntime-web: out of memory at 8192, 16384 tokens'. */
const missingLines = (series: readonly Series[]): string[] =>
  series.flatMap(({ label, missing }) =>
    [...new Set(missing.map(({ why }) => why))].map((why) => {
      const lengths = missing.filter((one) => one.why === why).map(({ tokens }) => tokens);
      return `${label}: ${why} at ${lengths.join(', ')} tokens`;
    }),
  );

const short = (rate: number) => (rate >= 1000 ? `${rate / 1000}k` : `${rate}`);
