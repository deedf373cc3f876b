// What charts are drawn with: a page of SVG that reads in light and in dark, text, axes.

export const pageWidth = 860;
export const lineHeight = 16;

/** Classes of what is drawn in one colour: ours, and two to compare with. */
export type Colour = 'flashmla' | 'node' | 'web';

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

/** A whole SVG file: the title at the top, then `parts`. */
export function page(title: string, left: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${pageWidth} ${height}" width="${pageWidth}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}\n</style>`,
    textAt(left, 22, title, 'title'),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

export type Scale = (value: number) => number;

/** Maps [from, to] to [start, end] in proportion to the logarithm; a single value to the middle. */
export function logScale(from: number, to: number, start: number, end: number): Scale {
  const linear = linearScale(Math.log(from), Math.log(to), start, end);
  return (value) => linear(Math.log(value));
}

/** Maps [from, to] to [start, end]; a single value to the middle. */
export function linearScale(from: number, to: number, start: number, end: number): Scale {
  if (from === to) return () => (start + end) / 2;
  return (value) => start + ((end - start) * (value - from)) / (to - from);
}

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

/** About five multiples of 1, 2 or 5 times a power of ten, from the last below `least` to the first above `most`. */
export function evenTicksBetween(least: number, most: number): number[] {
  const rough = (most - least || Math.abs(most) || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= rough * (1 - 1e-9))!;
  const [first, last] = [Math.floor(least / step + 1e-9), Math.ceil(most / step - 1e-9)];
  const count = Math.max(1, last - first);
  return Array.from({ length: count + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A line across at the height of a tick, and its name in front. */
export const gridLine = (left: number, right: number, y: number, name: string): string =>
  `<line class="grid" x1="${left}" x2="${right}" y1="${fixed(y)}" y2="${fixed(y)}"/>\n` +
  textAt(left - 8, y + 4, name, 'tick', 'end');

export const textAt = (x: number, y: number, value: string, name: string, anchor = 'start'): string =>
  `<text class="${name}" x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escaped(value)}</text>`;

export const fixed = (value: number): string => value.toFixed(1);

export const escaped = (value: string): string =>
  value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
