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
    const failures: unknown[] = [];
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) {
      try {
        release();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }
}
