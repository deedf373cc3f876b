// Which bytes are a text.

/** The text; undefined for what is none: no UTF-8, or with zero bytes, which only binary files have. */
export function plainText(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
