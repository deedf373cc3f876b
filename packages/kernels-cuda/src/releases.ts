// What was acquired, so that all of it is released: in reverse, each once, the others also when one fails.

export class Releases {
  readonly #releases: (() => void)[] = [];

  /** @returns what was acquired */
  add<T>(acquired: T, release: (acquired: T) => void): T {
    this.#releases.push(() => release(acquired));
    return acquired;
  }

  /** @returns what failed, first failure first */
  release(): unknown[] {
    return releaseEach(this.#releases.splice(0).reverse(), (release) => release());
  }
}

/** Releases each, the others also when one fails. @returns what failed */
export function releaseEach<T>(acquired: Iterable<T>, release: (each: T) => void): unknown[] {
  const failures: unknown[] = [];
  for (const each of acquired) {
    try {
      release(each);
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}
