import { expect, it } from 'vitest';
import { Recent } from '../src/recent.ts';

it('keeps what was used last, and makes again what made way', () => {
  const recent = new Recent<string>(2);
  const made: string[] = [];
  const use = (key: string) =>
    recent.get(key, () => {
      made.push(key);
      return key.toUpperCase();
    });
  expect([use('a'), use('b'), use('a'), use('c')]).toEqual(['A', 'B', 'A', 'C']);
  expect(made.splice(0)).toEqual(['a', 'b', 'c']);
  expect([use('a'), use('c')]).toEqual(['A', 'C']);
  expect(made).toEqual([]);
  use('b');
  expect(made).toEqual(['b']);
  expect(recent.size).toBe(2);
});

it('remembers nothing of what could not be made', () => {
  const recent = new Recent<number>(2);
  const fails = () => {
    throw new Error('no');
  };
  expect(() => recent.get('a', fails)).toThrow('no');
  expect(recent.size).toBe(0);
  expect(recent.get('a', () => 1)).toBe(1);
});
