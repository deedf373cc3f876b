// What the command line raises and how any error becomes the one line that a person reads.

import { FlashMLAError } from '@flashmla/tensor';

/** What was given on the command line, or in a file it names, does not do. `message`: what was given, expected, to do. */
export function badInput(message: string, options?: ErrorOptions): FlashMLAError {
  return new FlashMLAError('invalid-argument', `[flashmla] ${message}`, options);
}

/** One line for stderr: messages of peers and of the system may have several. */
export function errorLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replace(/\s*\n\s*/g, ' ').trim();
  if (error instanceof FlashMLAError) return line;
  return `[flashmla] failed unexpectedly: ${line}. Set FLASHMLA_DEBUG=1 to see where, and report it.`;
}
