// What the user gave can't be used: shown as one line, without a stack.

export class InputError extends Error {
  constructor(message: string) {
    super(`[demo] ${message}`);
  }
}
