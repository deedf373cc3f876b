// Timing several implementations side by side: in turn, so that a busy moment of the machine, its clock and its heat
// meet all of them alike.

import { setTimeout as sleep } from 'node:timers/promises';

export interface Contestant {
  /** One whole run; resolves to the milliseconds it took. */
  run(): Promise<number>;
  /** How long the machine stays busy after a run: what is waited for before another contestant runs. */
  readonly settleMs: number;
  /** What untimed runs took that it has behind it. */
  readonly untimedMs?: readonly number[];
}

export interface Timing {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly runs: number;
}

const runs = 9;
/** For what takes long: where one run takes longer than `slowMs`. */
const slowRuns = 3;
const slowMs = 3000;
/** Untimed runs of a contestant before the rounds: engines replace their first, slow code while it runs. */
const warmUps = 3;
/**
 * A run shorter than this is repeated: in every round one untimed run, then `shortRuns` timed ones. A core that has idled, as it does between the
 * contestants (`settleMs`) and while another of one thread runs, takes its time to come back: 32 ms of two threads took
 * 38 after 120 ms of sleep and 58 after a second of one busy core (two virtual AMD EPYC cores). Long runs do not notice.
 */
const shortMs = 200;
const shortRuns = 3;

export interface AlternateOptions {
  signal: AbortSignal;
  /** Called after each round with the share that is done. */
  progress: (done: number) => void;
}

/**
 * Runs each contestant three times untimed, then all in rounds: one timed run of each a round, three of short ones.
 *
 * @returns for each contestant its timing, or the error of its first run that failed; the others go on
 */
export async function alternate(
  contestants: readonly Contestant[],
  { signal, progress }: AlternateOptions,
): Promise<(Timing | Error)[]> {
  const times = contestants.map((): number[] => []);
  const failures = new Map<number, Error>();
  const wanted = () => (times.flat().some((time) => time > slowMs) ? slowRuns : runs);
  const run = async (index: number, own: number[]) => {
    if (failures.has(index)) return;
    signal.throwIfAborted();
    try {
      own.push(await contestants[index]!.run());
    } catch (error) {
      signal.throwIfAborted();
      failures.set(index, error as Error);
    }
  };
  const isShort = contestants.map(() => false);
  for (const [index, { settleMs, untimedMs = [] }] of contestants.entries()) {
    const untimed = [...untimedMs];
    // What takes seconds has long been recompiled by the end of one run.
    while (untimed.length < warmUps && !failures.has(index) && !untimed.some((time) => time > slowMs)) {
      await run(index, untimed);
    }
    isShort[index] = untimed.some((time) => time < shortMs);
    await sleep(settleMs);
  }
  for (let round = 0; round < wanted(); round++) {
    for (const [index, { settleMs }] of contestants.entries()) {
      if (isShort[index]) await run(index, []);
      for (let i = 0; i < (isShort[index] ? shortRuns : 1); i++) await run(index, times[index]!);
      await sleep(settleMs);
    }
    progress((round + 1) / wanted());
  }
  return times.map((own, index) => failures.get(index) ?? timingOf(own));
}

function timingOf(times: readonly number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const medianMs = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { medianMs, minMs: sorted[0]!, maxMs: sorted.at(-1)!, runs: sorted.length };
}
