// A chart of panels, one below the other, as SVG that reads in light and in dark: both axes logarithmic and labelled,
// whiskers from the slowest to the fastest run, lines named at their ends, and what could not be measured in words.

import type { Panel, Point, Series } from './series.ts';

export interface ChartText {
  readonly title: string;
  /** Below all panels: machine, versions, command. */
  readonly notes: readonly string[];
}

const width = 860;
const plot = { left: 64, right: 610, height: 250 };
const panelGap = 76;
const top = 56;
const lineHeight = 16;
/** Line patterns by a series' rank in its family. */
const dashes = ['', '6 4', '2 3', '9 3 2 3', '12 3', '4 2 1 2'];

const style = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .panel { font-weight: 600; }
  .note, .tick { fill: #59636e; }
  .grid { stroke: #d1d9e0; }
  .line { fill: none; stroke-width: 2; }
  .flashmla { stroke: #0969da; } .node { stroke: #bc4c00; } .web { stroke: #6e7781; }
  circle.flashmla { fill: #0969da; } circle.node { fill: #bc4c00; } circle.web { fill: #6e7781; }
  text.flashmla { fill: #0969da; stroke: none; } text.node { fill: #bc4c00; stroke: none; } text.web { fill: #57606a; stroke: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .note, .tick { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .flashmla { stroke: #58a6ff; } .node { stroke: #f0883e; } .web { stroke: #9198a1; }
    circle.flashmla { fill: #58a6ff; } circle.node { fill: #f0883e; } circle.web { fill: #9198a1; }
    text.flashmla { fill: #58a6ff; } text.node { fill: #f0883e; } text.web { fill: #9198a1; }
  }`;

const classOf: Readonly<Record<Series['family'], string>> = {
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
  const footer = notes.map((note, index) => text(plot.left, y - 24 + index * lineHeight, note, 'note'));
  const height = y - 24 + notes.length * lineHeight;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}\n</style>`,
    text(plot.left, 22, title, 'title'),
    ...parts,
    ...footer,
    '</svg>',
    '',
  ].join('\n');
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
  const grid = rates.flatMap((tick) => [
    `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${fixed(rate(tick))}" y2="${fixed(rate(tick))}"/>`,
    text(plot.left - 8, rate(tick) + 4, short(tick), 'tick', 'end'),
  ]);
  const axis = lengths.map((tokens) => text(x(tokens), y + plot.height + 18, `${tokens}`, 'tick', 'middle'));
  const missing = missingLines(series);
  return {
    svg: [
      text(
        plot.left,
        y - 12,
        `${batch === 1 ? 'One text' : `${batch} texts together`}: tokens per second, log scale`,
        'panel',
      ),
      ...grid,
      ...axis,
      text((plot.left + plot.right) / 2, y + plot.height + 35, 'tokens of a text, log scale', 'tick', 'middle'),
      ...series.map((one) => lineOf(one, x, rate)),
      ...endLabels(series, rate),
      ...missing.map((line, index) => text(plot.left, y + plot.height + 54 + index * lineHeight, line, 'note')),
    ].join('\n'),
    height: plot.height + missing.length * lineHeight,
  };
}

type Scale = (value: number) => number;

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
      text(plot.right + 40, lowest + 4, one.label, name)
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

/** 1, 2 and 5 times powers of ten, from the last below `least` to the first above `most`. */
export function ticksBetween(least: number, most: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); ; power++) {
    for (const digit of [1, 2, 5]) {
      const tick = digit * 10 ** power;
      if (tick <= least) ticks.length = 0;
      ticks.push(tick);
      if (tick >= most) return ticks;
    }
  }
}

/** Maps [from, to] to [start, end] in proportion to the logarithm; a single value to the middle. */
function logScale(from: number, to: number, start: number, end: number): Scale {
  if (from === to) return () => (start + end) / 2;
  return (value) => start + ((end - start) * Math.log(value / from)) / Math.log(to / from);
}

const short = (rate: number) => (rate >= 1000 ? `${rate / 1000}k` : `${rate}`);

const fixed = (value: number) => value.toFixed(1);

const escaped = (value: string) => value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

const text = (x: number, y: number, value: string, name: string, anchor = 'start') =>
  `<text class="${name}" x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escaped(value)}</text>`;
