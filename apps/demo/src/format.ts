// Figures and names as the demo writes them.

export const formatMs = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

/** MB are 10⁶ bytes. */
export const formatBytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export const formatShare = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`;

export const formatTimes = (times: number): string => `${times.toFixed(times < 10 ? 1 : 0)}×`;

/** `text` in at most `width` columns, its end cut off where it is longer. */
export const clip = (text: string, width: number): string =>
  [...text].length <= width
    ? text
    : `${[...text]
        .slice(0, width - 1)
        .join('')
        .trimEnd()}…`;

/** A bar of `columns` columns to the nearest eighth. */
export function bar(columns: number): string {
  const eighths = Math.max(1, Math.round(8 * columns));
  return '█'.repeat(Math.floor(eighths / 8)) + ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
}
