import { expect, test } from 'vitest';
import { bar, clip, formatMs, formatShare, formatTimes } from '../src/format.ts';
import { Screen, wantsColors } from '../src/screen.ts';

const written = (colors: boolean, body: (screen: Screen) => void): string => {
  let text = '';
  body(
    new Screen((part) => {
      text += part;
    }, colors),
  );
  return text;
};

test('prose is broken at 80 columns and indented from the second line on', () => {
  const lines = written(false, (screen) => screen.prose('word '.repeat(40).trim(), 4)).split('\n');
  expect(lines.slice(0, -1).every((line) => line.length <= 80)).toBe(true);
  expect(lines[0]).toMatch(/^word/);
  expect(lines[1]).toMatch(/^ {4}word/);
  expect(lines.join(' ').match(/word/g)).toHaveLength(40);
});

test('colours only where they are wanted', () => {
  expect(written(false, (screen) => screen.line(screen.paint('bold', 'x')))).toBe('x\n');
  expect(written(true, (screen) => screen.line(screen.paint('bold', 'x')))).toBe('\u001b[1mx\u001b[22m\n');
  expect(wantsColors(true, {})).toBe(true);
  expect(wantsColors(false, {})).toBe(false);
  expect(wantsColors(true, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColors(true, { NO_COLOR: '' })).toBe(true);
  expect(wantsColors(true, { TERM: 'dumb' })).toBe(false);
});

test('figures', () => {
  expect([formatMs(3.24), formatMs(1234.6)]).toEqual(['3.2 ms', '1235 ms']);
  expect([formatShare(0.123), formatShare(0.9995, 1)]).toEqual(['12 %', '100.0 %']);
  expect([formatTimes(1.94), formatTimes(12.6)]).toEqual(['1.9×', '13×']);
  expect([clip('short', 5), clip('longer text', 8)]).toEqual(['short', 'longer…']);
});

test('bars to the eighth, never invisible', () => {
  expect([bar(0), bar(0.5), bar(3), bar(2.26)]).toEqual(['▏', '▌', '███', '██▎']);
});
