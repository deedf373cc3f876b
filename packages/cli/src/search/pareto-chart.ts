// Accuracy against latency as a chart: what was searched as a line through its best points, dense attention and the same
// number of keys everywhere as marks.

import {
  type Colour,
  evenTicksBetween,
  fixed,
  gridLine,
  linearScale,
  lineHeight,
  page,
  textAt,
} from '@flashmla/workloads';
import type { PointReport } from './report.ts';

export interface ParetoChart {
  readonly title: string;
  /** What the answers are measured by, e.g. 'accuracy', and its value for a point. */
  readonly measure: string;
  readonly qualityOf: (point: PointReport) => number;
  /** What was asked for. */
  readonly latencyMs: number;
  readonly notes: readonly string[];
}

const plot = { left: 64, right: 780, top: 56, height: 280 };

const colours: Readonly<Record<PointReport['kind'], Colour>> = { searched: 'flashmla', uniform: 'node', dense: 'web' };

export function paretoChart(
  points: readonly PointReport[],
  { title, measure, qualityOf, latencyMs, notes }: ParetoChart,
): string {
  const bottom = plot.top + plot.height;
  const ticks = (values: readonly number[]) => evenTicksBetween(Math.min(...values), Math.max(...values));
  const times = ticks([...points.map((point) => point.latencyMs), latencyMs]);
  const values = ticks(points.map(qualityOf));
  const x = linearScale(times[0]!, times.at(-1)!, plot.left + 8, plot.right - 8);
  const y = linearScale(values[0]!, values.at(-1)!, bottom, plot.top);
  const at = (point: PointReport) => ({ x: x(point.latencyMs), y: y(qualityOf(point)) });
  const line = paretoFront(
    points.filter(({ kind }) => kind === 'searched'),
    qualityOf,
  ).map(at);
  const budget = fixed(x(latencyMs));
  const body = [
    textAt(plot.left, plot.top - 12, `${measure}, over the mean milliseconds of a text`, 'panel'),
    ...values.map((tick) => gridLine(plot.left, plot.right, y(tick), `${tick}`)),
    ...times.map((tick) => textAt(x(tick), bottom + 18, `${tick}`, 'tick', 'middle')),
    `<line class="grid" stroke-dasharray="4 4" x1="${budget}" x2="${budget}" y1="${plot.top}" y2="${bottom}"/>`,
    textAt(x(latencyMs), bottom + 34, `--latency-ms ${latencyMs}`, 'note', 'middle'),
    `<polyline class="line flashmla" points="${line.map((one) => `${fixed(one.x)},${fixed(one.y)}`).join(' ')}"/>`,
    ...points.map((point) => {
      const place = at(point);
      const colour = colours[point.kind];
      return (
        `<circle class="${colour}" cx="${fixed(place.x)}" cy="${fixed(place.y)}" r="4"/>` +
        textAt(place.x + 7, place.y - 6, labelOf(point), colour)
      );
    }),
    ...notes.map((note, i) => textAt(plot.left, bottom + 58 + i * lineHeight, note, 'note')),
  ];
  return page(title, plot.left, bottom + 58 + notes.length * lineHeight, body);
}

/** Those that none is both faster than and at least as good as, fastest first. */
export function paretoFront(points: readonly PointReport[], qualityOf: (point: PointReport) => number): PointReport[] {
  let best = Number.NEGATIVE_INFINITY;
  return points
    .toSorted((a, b) => a.latencyMs - b.latencyMs || qualityOf(b) - qualityOf(a))
    .filter((point) => {
      const isBetter = qualityOf(point) > best;
      if (isBetter) best = qualityOf(point);
      return isBetter;
    });
}

function labelOf({ kind, k, dtype }: PointReport): string {
  const precision = dtype === 'float32' ? '' : ` ${dtype}`;
  if (kind === 'uniform') return `K ${k}${precision}`;
  return kind === 'dense' ? `dense${precision}` : precision.trim();
}
