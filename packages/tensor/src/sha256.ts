// The mark by which contents are known again.

import { FlashMLAError } from './errors.ts';

/**
 * SHA-256 (FIPS 180-4) of a text in UTF-8, or of the bytes under a view, in hexadecimal.
 *
 * @throws FlashMLAError 'unsupported' in a page that came neither over https nor from this machine: browsers have no
 * Web Crypto there
 */
export async function sha256(content: string | ArrayBufferView): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new FlashMLAError(
      'unsupported',
      '[tensor] there is no Web Crypto here, which SHA-256 needs; serve the page over https or from localhost.',
    );
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytesOf(content)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A copy: Web Crypto takes no memory that threads share. */
function bytesOf(content: string | ArrayBufferView): Uint8Array<ArrayBuffer> {
  if (typeof content === 'string') return new TextEncoder().encode(content);
  return new Uint8Array(new Uint8Array(content.buffer, content.byteOffset, content.byteLength));
}
