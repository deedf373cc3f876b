// What people read: tables, and numbers with their units. JSON has the same figures unrounded.

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Default 'right', as numbers are read. */
  readonly align?: 'left' | 'right';
}

/** Rows under titles, columns two spaces apart. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ value }) => value(row)))];
  const widths = columns.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const lines = cells.map((line) =>
    line
      .map((cell, column) =>
        columns[column]!.align === 'left' ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** What stands in a table for a figure that there is none of. */
export const none = '–';

export function formatMs(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 2 ** (10 * power)).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

export function formatFlops(flops: number): string {
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  const power = Math.min(units.length - 1, flops < 1 ? 0 : Math.floor(Math.log10(flops) / 3));
  return `${(flops / 1000 ** power).toFixed(power === 0 ? 0 : 2)} ${units[power]}FLOP`;
}

export const formatPercent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`;

/** `text` in at most `length` characters, without line breaks. */
export function shorten(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}
