// The values that were used last, by key. What is made for each new shape must not be kept for ever; what is dropped here
// lives on as long as somebody holds it, and is made again when it is asked for again.

/**
 * Programs that a backend keeps: each has some words for each of its steps, or a small buffer. A forward pass has some twenty for each new
 * length, a step of training some forty.
 */
export const mostPrograms = 1024;

export class Recent<Value> {
  readonly #most: number;
  /** A Map keeps the order of insertion: the first is the one used longest ago. */
  readonly #values = new Map<string, Value>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#values.size;
  }

  /** The value of `key`; `make` gives it where it is not there. */
  get(key: string, make: () => Value): Value {
    const known = this.#values.get(key);
    const value = known ?? make();
    if (known !== undefined) this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#most) {
      const [oldest] = this.#values.keys();
      this.#values.delete(oldest!);
    }
    return value;
  }
}
