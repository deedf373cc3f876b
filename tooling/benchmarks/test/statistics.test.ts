import { expect, test } from 'vitest';
import { alternate, spreadOf } from '../src/statistics.ts';
import { table } from '../src/table.ts';
import { timerDelays } from '../src/timer-delays.ts';

test('a spread has the median and the quartiles, between neighbours where need be', () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, least: 1, most: 4, quartiles: [1.75, 3.25], runs: 4 });
  expect(spreadOf([7])).toEqual({ median: 7, least: 7, most: 7, quartiles: [7, 7], runs: 1 });
});

test('contestants take turns', async () => {
  const order: string[] = [];
  const contestant = (name: string) => async () => order.push(name);
  expect(await alternate([contestant('a'), contestant('b')], 2)).toEqual([
    [1, 3],
    [2, 4],
  ]);
  expect(order).toEqual(['a', 'b', 'a', 'b']);
});

test('a table aligns its first column left and the others right', () => {
  expect(
    table(
      ['', 'ms'],
      [
        ['dense', '5'],
        ['x', '10.5'],
      ],
    ),
  ).toBe('         ms\ndense     5\nx      10.5\n');
});

test('a timer is as late as the loop is blocked', async () => {
  const delays = await timerDelays(async () => {
    const end = performance.now() + 40;
    while (performance.now() < end);
  });
  expect(Math.max(...delays)).toBeGreaterThan(35);
});
