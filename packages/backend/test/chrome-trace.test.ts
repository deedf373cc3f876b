// Against the Trace Event Format: what each kind of event must have, in which units.

import { expect, it } from 'vitest';
import { chromeTrace, type TraceEvent } from '../src/index.ts';
import { fakeBackend } from './fakes.ts';
import { profile, square } from './profiles.ts';

const { traceEvents, displayTimeUnit, otherData } = chromeTrace(profile, fakeBackend('cpu'));
const complete = traceEvents.filter(({ ph }) => ph === 'X');

it('is the object form of the format, and JSON', () => {
  const written = JSON.parse(JSON.stringify({ traceEvents, displayTimeUnit, otherData })) as object;
  expect(written).toEqual({ traceEvents, displayTimeUnit, otherData });
  expect(displayTimeUnit).toBe('ms');
  expect(otherData).toEqual({ backend: 'cpu', device: 'a cpu device', timing: profile.timing.description, wallMs: 14 });
});

it('has events with all that their phase asks for', () => {
  for (const { name, ph, ts, dur, pid, tid, args } of traceEvents) {
    expect(name).not.toBe('');
    expect([pid, tid].every(Number.isInteger)).toBe(true);
    expect(args).toBeTypeOf('object');
    if (ph === 'M') {
      expect(['process_name', 'thread_name', 'thread_sort_index']).toContain(name);
      expect([ts, dur]).toEqual([undefined, undefined]);
    } else {
      expect(ph).toBe('X');
      expect(ts).toBeGreaterThanOrEqual(0);
      expect(dur).toBeGreaterThanOrEqual(0);
    }
  }
});

it('has ops in microseconds, with what they are and what they reach', () => {
  const ops = complete.filter(({ cat }) => cat === 'op');
  expect(ops.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
    ['linear', 1000, 2000],
    ['layer-norm', 3000, 2000],
    ['linear', 6000, 6000],
  ]);
  expect(ops[0]!.args).toMatchObject({ ...square, flops: 2e6, bytes: 120_000, 'GFLOP/s': 1, 'GB/s': 0.06 });
  expect(ops[0]!.args).toMatchObject({ usefulMultiplyAdds: 900, issuedMultiplyAdds: 1000 });
});

it('nests kernels in their ops, and gives each thread a named row', () => {
  const rowNames = traceEvents.filter(({ name }) => name === 'thread_name').map(({ tid, args }) => [tid, args.name]);
  expect(rowNames).toEqual([
    [0, 'ops and their kernels'],
    [1, 'thread 0'],
    [2, 'thread 1'],
  ]);
  const row = (wanted: number) => complete.filter(({ tid }) => tid === wanted);
  expect(row(2).map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
    ['linear', 1500, 1000],
    ['linear', 6000, 3000],
  ]);
  for (const { tid } of complete) expect(nests(row(tid))).toBe(true);
});

/** Viewers stack the complete events of a row: of any two, one holds the other or they don't meet. */
function nests(events: readonly TraceEvent[]): boolean {
  const spans = events.map(({ ts, dur }) => [ts!, ts! + dur!] as const);
  return spans.every(([start, end]) =>
    spans.every(([a, b]) => b <= start || end <= a || (start <= a && b <= end) || (a <= start && end <= b)),
  );
}
