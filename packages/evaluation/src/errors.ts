// What this package raises: `[evaluation] …`, what was given, what was expected, what to do.

import { FlashMLAError } from '@flashmla/tensor';

/** A file is not there or does not hold what it should. */
export function invalidFile(message: string, options?: ErrorOptions): FlashMLAError {
  return new FlashMLAError('invalid-file', `[evaluation] ${message}`, options);
}

/** A function was called with something that it can't take. */
export function invalidArgument(message: string): FlashMLAError {
  return new FlashMLAError('invalid-argument', `[evaluation] ${message}`);
}
