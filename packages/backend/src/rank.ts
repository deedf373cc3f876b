// The order in which backends are tried.

import { type BackendName, describeValue, FlashMLAError } from '@flashmla/tensor';

/** What a caller may ask of the choice. */
export interface Preference {
  /** Tried first, in this order; the others follow in rank order. */
  prefer?: readonly BackendName[];
  /** Only this one will do. */
  require?: BackendName;
}

/**
 * The names to try, best first.
 *
 * @param ranked every backend there is, in rank order
 * @throws FlashMLAError 'invalid-argument' for a name that is none of `ranked`
 */
export function orderOf(ranked: readonly BackendName[], { prefer = [], require }: Preference): BackendName[] {
  if (!Array.isArray(prefer)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[backend] prefer is ${describeValue(prefer)}; expected a list of names, such as ['cpu'].`,
    );
  }
  const given: [string, BackendName][] = prefer.map((name: BackendName) => ['prefer', name]);
  if (require !== undefined) given.push(['require', require]);
  for (const [option, name] of given) {
    if (ranked.includes(name)) continue;
    throw new FlashMLAError(
      'invalid-argument',
      `[backend] ${option} names '${String(name)}', which is no backend; use ${ranked.map((known) => `'${known}'`).join(', ')}.`,
    );
  }
  if (require !== undefined) return [require];
  return [...new Set([...prefer, ...ranked])];
}
