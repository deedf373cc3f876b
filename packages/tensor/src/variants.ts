// Which of several ways a backend takes for a problem.

import { FlashMLAError } from './errors.ts';
import { type Problem, shapeClass } from './ops/index.ts';

/** The variants of a problem that a backend runs in one way only. */
export const oneVariant: readonly string[] = ['default'];

/** What was preferred, for the `prefer` and `prepare` of a backend. */
export class PreferredVariants {
  readonly #source: string;
  readonly #preferred = new Map<string, string>();

  /** @param source who chooses, for messages: '[kernels-cpu]' */
  constructor(source: string) {
    this.#source = source;
  }

  prefer(shapeClass: string, variant: string): void {
    this.#preferred.set(shapeClass, variant);
  }

  /** The variant that was asked for, the preferred one of the problem's class where it has it, or its first. */
  choose(problem: Problem, variants: readonly string[], wanted?: string): string {
    const preferred = wanted ?? this.#preferred.get(shapeClass(problem));
    if (preferred !== undefined && variants.includes(preferred)) return preferred;
    if (wanted === undefined) return variants[0]!;
    throw new FlashMLAError(
      'invalid-argument',
      `${this.#source} ${problem.op}: there is no variant '${wanted}' of this problem; use one of ${variants.join(', ')}.`,
    );
  }
}
