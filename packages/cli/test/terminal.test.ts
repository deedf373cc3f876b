// What is printed for people: tables, figures, the progress line.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatBytes, formatFlops, formatMs, formatPercent, shorten, table } from '../src/output.ts';
import { ProgressLine } from '../src/progress.ts';

describe('table', () => {
  it('aligns text left, numbers right, and leaves no space at the ends of lines', () => {
    const columns = [
      { title: 'name', align: 'left', value: ([name]: [string, number]) => name },
      { title: 'n', value: ([, n]: [string, number]) => `${n}` },
      { title: '', align: 'left', value: ([name]: [string, number]) => (name === 'a' ? 'x' : '') },
    ] as const;
    expect(
      table(columns, [
        ['a', 10],
        ['bcdef', 2],
      ]),
    ).toBe('name    n\na      10  x\nbcdef   2\n');
  });
});

describe('figures', () => {
  it('have units that fit them', () => {
    expect([0.1234, 12.34, 123.4, 12_340].map(formatMs)).toEqual(['0.12 ms', '12.3 ms', '123 ms', '12.3 s']);
    expect([0, 1023, 1536, 2 ** 31].map(formatBytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '2.0 GiB']);
    expect([12, 3.5e9].map(formatFlops)).toEqual(['12 FLOP', '3.50 GFLOP']);
    expect(formatPercent(0.98765, 2)).toBe('98.77 %');
    expect(shorten('one\n two three', 8)).toBe('one two…');
  });
});

describe('ProgressLine', () => {
  let written = '';
  const stream = (isTTY: boolean) =>
    ({
      isTTY,
      columns: 40,
      write(text: string) {
        written += text;
        return true;
      },
    }) as NodeJS.WriteStream;
  beforeEach(() => {
    written = '';
    vi.useFakeTimers();
  });
  afterEach(() => vi.useRealTimers());

  it('says nothing of what is over within a second', () => {
    const line = new ProgressLine(stream(true));
    line.start('loading');
    vi.advanceTimersByTime(900);
    line.update(0.9);
    line.stop();
    expect(written).toBe('');
  });

  it('shows share, detail and time left, and clears the line at the end', () => {
    const line = new ProgressLine(stream(true));
    line.start('running');
    vi.advanceTimersByTime(2000);
    expect(written).toContain('running');
    line.update(0.25, '3 texts/s');
    vi.advanceTimersByTime(1000);
    expect(written).toMatch(/running · 25 % · 3 texts\/s · 6 s left/);
    line.stop();
    expect(written.endsWith('\r\u001b[K')).toBe(true);
  });

  it('is silent where nobody looks', () => {
    const line = new ProgressLine(stream(false));
    line.start('running');
    vi.advanceTimersByTime(5000);
    line.update(0.5);
    line.stop();
    expect(written).toBe('');
  });
});
