// Handles of a library in memory: which live, what each stands for, and an error for one that does not.

export class FakeHandles<Kind extends string> {
  readonly #live = new Map<bigint, { readonly kind: Kind; readonly value: unknown }>();
  readonly #invalid: number;
  #next: bigint;

  /**
   * @param first the first handle, which tells whose it is
   * @param invalid the library's code for a handle that is none
   */
  constructor(first: bigint, invalid: number) {
    this.#next = first;
    this.#invalid = invalid;
  }

  /** All that were made and not dropped. */
  get live(): readonly { readonly kind: Kind; readonly value: unknown }[] {
    return [...this.#live.values()];
  }

  make(kind: Kind, value: unknown, out: NodeJS.TypedArray): number {
    const handle = this.#next++;
    this.#live.set(handle, { kind, value });
    out[0] = handle;
    return 0;
  }

  get<T>(kind: Kind, handle: bigint): T | undefined {
    const found = this.#live.get(handle);
    return found?.kind === kind ? (found.value as T) : undefined;
  }

  /** Releasing twice is an error, as is releasing what never was. */
  drop(kind: Kind, handle: bigint): number {
    if (this.#live.get(handle)?.kind !== kind) return this.#invalid;
    this.#live.delete(handle);
    return 0;
  }
}
