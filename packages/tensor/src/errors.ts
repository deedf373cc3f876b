// Typed errors. A message says what was given, what was expected and what to do: `[package] …`.

export type ErrorCode =
  | 'invalid-argument'
  | 'invalid-file'
  | 'unsupported'
  | 'out-of-memory'
  | 'backend-unavailable'
  | 'backend-failed'
  | 'device-lost'
  | 'disposed';

/** Every error this library raises on purpose. `code` is stable; the message is for people. */
export class FlashMLAError extends Error {
  override readonly name: string = 'FlashMLAError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A backend could not get the memory it was asked for. Nothing was lost: the backend goes on working. */
export class OutOfMemoryError extends FlashMLAError {
  override readonly name = 'OutOfMemoryError';
  /** Bytes the failed request wanted. */
  readonly requestedBytes: number;
  /** Bytes in use when it failed. */
  readonly usedBytes: number;
  /** Most bytes the device gives. */
  readonly limitBytes: number;

  constructor(source: string, requestedBytes: number, usedBytes: number, limitBytes: number) {
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    super(
      'out-of-memory',
      `[${source}] out of memory: ${mib(requestedBytes)} wanted, ${mib(usedBytes)} of ${mib(limitBytes)} in use. ` +
        'Shorten the input, run smaller batches, or dispose tensors that are no longer needed.',
    );
    this.requestedBytes = requestedBytes;
    this.usedBytes = usedBytes;
    this.limitBytes = limitBytes;
  }
}
