// Logarithmic axes for times by length. Pure.

export interface Scale {
  /** From a value to 0 … 1. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Tokens: a tick for each length. */
export function lengthScale(lengths: readonly number[]): Scale {
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  return { at: logarithmic(least, most), ticks: lengths };
}

/** Milliseconds: from the round number below the least to the one above the most, with a tick at each where there is room. */
export function timeScale(times: readonly number[]): Scale {
  const [least, most] = [Math.max(0.1, Math.min(...times)), Math.max(0.1, ...times)];
  const first = roundNumbers(least).findLast((value) => value <= least * 1.001)!;
  const last = roundNumbers(most).find((value) => value >= most)!;
  const between = roundNumbers(least, most).filter((value) => value >= first * 0.999 && value <= last * 1.001);
  // More than two decades: whole powers of ten are enough.
  const ticks = last / first > 100 ? between.filter((value) => String(value).replace(/[.0]/g, '') === '1') : between;
  return { at: logarithmic(first, last), ticks };
}

/** 1, 2 and 5 times every power of ten from the decade of `least` to the one above `most`. */
function roundNumbers(least: number, most = least): number[] {
  const numbers: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.floor(Math.log10(most)) + 1; power++) {
    for (const step of [1, 2, 5]) numbers.push(Number((step * 10 ** power).toPrecision(3)));
  }
  return numbers;
}

const logarithmic =
  (least: number, most: number) =>
  (value: number): number =>
    most === least ? 0.5 : Math.log(value / least) / Math.log(most / least);
