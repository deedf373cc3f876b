// What a caller may ask of the choice, and whether it makes sense.

import { type BackendName, describeValue, FlashMLAError } from '@flashmla/tensor';

export interface Preference {
  /** Taken in this order, without measuring; when none of them will do, the others are measured. */
  prefer?: readonly BackendName[];
  /** Only this one will do; nothing is measured. */
  require?: BackendName;
}

/**
 * @param known every backend there is
 * @throws FlashMLAError 'invalid-argument' for a name that is none of `known`
 */
export function checkPreference(known: readonly BackendName[], { prefer = [], require }: Preference): void {
  if (!Array.isArray(prefer)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[backend] prefer is ${describeValue(prefer)}; expected a list of names, such as ['cpu'].`,
    );
  }
  const given: [string, BackendName][] = prefer.map((name: BackendName) => ['prefer', name]);
  if (require !== undefined) given.push(['require', require]);
  for (const [option, name] of given) {
    if (known.includes(name)) continue;
    throw new FlashMLAError(
      'invalid-argument',
      `[backend] ${option} names '${String(name)}', which is no backend; use ${known.map((each) => `'${each}'`).join(', ')}.`,
    );
  }
}
