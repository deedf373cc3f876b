// Time by length, as a chart that grows while it is measured and as a table.

import { formatMs, formatTimes } from '@flashmla/demo/src/format.ts';
import { crossoverOf } from '../crossover.ts';
import type { Kind, Point } from '../engine/protocol.ts';
import { lengthScale, timeScale } from '../latency-scale.ts';
import { find, make } from './elements.ts';

/** In CSS pixels, so that letters have one size on every screen. */
const leastWidth = 260;
const leastLabelWidth = 38;
const margin = { left: 70, right: 64, top: 28, bottom: 34 };
const kinds: readonly Kind[] = ['dense', 'sparse'];

export class LatencyPanel {
  readonly #figure = find('latency');
  #points: Point[] = [];

  constructor() {
    new ResizeObserver(() => this.#draw()).observe(this.#figure);
  }

  clear(): void {
    this.#points = [];
    this.#draw();
  }

  add(point: Point): void {
    this.#points.push(point);
    this.#draw();
  }

  #draw(): void {
    const points = this.#points;
    this.#figure.replaceChildren(
      points.length > 0
        ? chartOf(points, Math.max(leastWidth, this.#figure.clientWidth))
        : make('p', { class: 'quiet empty', text: 'Measured after the labels.' }),
    );
    const rows = points.map(({ tokens, denseMs, sparseMs }) => {
      const cells = [formatMs(denseMs), formatMs(sparseMs), formatTimes(denseMs / sparseMs)];
      const head = make('th', { text: String(tokens) });
      head.scope = 'row';
      return make('tr', {}, head, ...cells.map((text) => make('td', { text })));
    });
    find('latency-table')
      .querySelector('tbody')!
      .replaceChildren(...rows);
  }
}

function chartOf(points: readonly Point[], width: number): SVGElement {
  const size = { width, height: Math.max(200, Math.round(width / 2)) };
  const lengths = lengthScale(points.map(({ tokens }) => tokens));
  const times = timeScale(points.flatMap(({ denseMs, sparseMs }) => [denseMs, sparseMs]));
  const x = (tokens: number) => margin.left + lengths.at(tokens) * (size.width - margin.left - margin.right);
  const y = (ms: number) => size.height - margin.bottom - times.at(ms) * (size.height - margin.top - margin.bottom);
  const chart = svg('svg', {
    viewBox: `0 0 ${size.width} ${size.height}`,
    role: 'img',
    'aria-label': summaryOf(points),
  });
  for (const tick of times.ticks) {
    chart.append(
      svg('line', { class: 'grid', x1: margin.left, x2: size.width - margin.right, y1: y(tick), y2: y(tick) }),
    );
    chart.append(text(`${tick} ms`, { x: margin.left - 10, y: y(tick) + 4, 'text-anchor': 'end' }));
  }
  for (const tick of lengths.ticks.filter(hasRoom(x))) {
    chart.append(text(String(tick), { x: x(tick), y: size.height - margin.bottom + 22, 'text-anchor': 'middle' }));
  }
  const crossover = crossoverOf(points);
  if (crossover !== undefined) {
    const at = x(crossover);
    chart.append(svg('line', { class: 'crossover', x1: at, x2: at, y1: margin.top, y2: size.height - margin.bottom }));
    // Above the plot: below it could meet a line.
    const anchor = at < size.width / 2 ? 'start' : 'end';
    chart.append(text(`sparse faster from ${crossover} on`, { x: at, y: margin.top - 10, 'text-anchor': anchor }));
  }
  const last = points.at(-1)!;
  for (const kind of kinds) {
    const ms = (point: Point) => (kind === 'dense' ? point.denseMs : point.sparseMs);
    const line = points.map((point) => `${x(point.tokens)},${y(ms(point))}`).join(' ');
    chart.append(svg('polyline', { class: `line ${kind}`, points: line }));
    for (const point of points)
      chart.append(svg('circle', { class: `dot ${kind}`, cx: x(point.tokens), cy: y(ms(point)), r: 4.5 }));
    // Labels stand apart, also where the lines meet.
    const isUpper = ms(last) >= Math.max(last.denseMs, last.sparseMs);
    const apart = Math.abs(y(last.denseMs) - y(last.sparseMs)) < 18 ? (isUpper ? -6 : 12) : 4;
    chart.append(text(kind, { class: `name ${kind}`, x: x(last.tokens) + 12, y: y(ms(last)) + apart }));
  }
  return chart;
}

/** Keeps what has room for its label, from the last one, which is the text's own, down to the first. */
function hasRoom(x: (tokens: number) => number) {
  return (tick: number, _at: number, ticks: readonly number[]): boolean => {
    const kept: number[] = [];
    for (const one of ticks.toReversed()) {
      if (kept.length === 0 || x(kept.at(-1)!) - x(one) >= leastLabelWidth) kept.push(one);
    }
    return kept.includes(tick);
  };
}

function summaryOf(points: readonly Point[]): string {
  const { tokens, denseMs, sparseMs } = points.at(-1)!;
  const figures = `${formatMs(denseMs)} dense, ${formatMs(sparseMs)} sparse`;
  const crossover = crossoverOf(points);
  const faster = crossover === undefined ? '' : ` Sparse is faster from ${crossover} tokens on.`;
  return `Time by length on logarithmic axes. At ${tokens} tokens: ${figures}.${faster} The table below has all figures.`;
}

type Attributes = Readonly<Record<string, string | number>>;

function svg(name: string, attributes: Attributes): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

function text(content: string, attributes: Attributes): SVGElement {
  const element = svg('text', attributes);
  element.textContent = content;
  return element;
}
