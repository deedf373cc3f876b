// A run that took longer than a benchmark waits.

export class TimeLimitError extends Error {
  constructor(limitMs: number) {
    super(`[flashmla] a run took longer than the ${limitMs / 1000} s of --limit`);
  }
}

/** Runs `work` with a signal that also ends it at the limit; rejects with a TimeLimitError then. */
export async function withinLimit<Result>(
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new TimeLimitError(limitMs)), limitMs);
  const either = AbortSignal.any([signal, limit.signal]);
  try {
    const result = await work(either);
    // What ended because it was aborted, or in spite of that, is no result.
    either.throwIfAborted();
    return result;
  } finally {
    clearTimeout(timer);
  }
}
