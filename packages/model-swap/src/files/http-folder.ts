// A folder behind a URL, e.g. https://huggingface.co/<model>/resolve/main, or one file. Files are read by HTTP ranges
// where the server has them, otherwise whole.

import { type ByteSource, FlashMLAError } from '@flashmla/tensor';
import { bytesSource } from './memory-sources.ts';
import type { ModelFolder } from './model-folder.ts';

/**
 * Bytes asked for at once when less is wanted. Tensors are read in the order they lie in the file, so that what was
 * fetched beyond one is the next; a request for each bias of a model would be hundreds of round trips.
 */
const READ_AHEAD = 4 * 2 ** 20;

export function httpFolder(base: string, signal?: AbortSignal): ModelFolder {
  const root = new URL(base);
  if (!root.pathname.endsWith('/')) root.pathname += '/';
  return {
    name: base,
    async open(fileName) {
      const url = new URL(encodeURIComponent(fileName), root);
      url.search = root.search;
      return httpFile(url, signal);
    },
  };
}

/** The file at `url`, whatever fetch takes; undefined when the server says that there is none. */
export async function httpFile(url: URL, signal?: AbortSignal): Promise<ByteSource | undefined> {
  const response = await get(url, signal, { start: 0, end: READ_AHEAD });
  if (response.status === 404 || response.status === 410) return undefined;
  const total = response.status === 206 ? totalBytes(response) : undefined;
  if (total !== undefined) return rangeSource(url, total, await bytesOf(response), signal);
  // 206 without a readable Content-Range (a cross-origin server that does not expose it): the size is unknown.
  // 416: an empty file has no first byte.
  const whole = response.status === 206 || response.status === 416 ? await get(url, signal) : response;
  return bytesSource(await bytesOf(whole), url.href);
}

function rangeSource(url: URL, byteLength: number, start: Uint8Array, signal: AbortSignal | undefined): ByteSource {
  let window = { offset: 0, bytes: start };
  return {
    name: url.href,
    byteLength,
    async read(offset, length) {
      const end = offset + length;
      if (offset < window.offset || end > window.offset + window.bytes.byteLength) {
        const last = Math.min(Math.max(end, offset + READ_AHEAD), byteLength);
        const response = await get(url, signal, { start: offset, end: last });
        if (response.status !== 206) throw failed(url, `answered ${response.status} to a range it offered before`);
        window = { offset, bytes: await bytesOf(response) };
      }
      return window.bytes.subarray(offset - window.offset, end - window.offset);
    },
  };
}

async function get(url: URL, signal?: AbortSignal, range?: { start: number; end: number }): Promise<Response> {
  const headers: Record<string, string> = range ? { Range: `bytes=${range.start}-${range.end - 1}` } : {};
  let response: Response;
  try {
    response = await fetch(url, { headers, ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    throw failed(url, `can't be fetched: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (!response.ok && ![404, 410, 416].includes(response.status)) {
    throw failed(url, `can't be fetched: ${response.status} ${response.statusText}`);
  }
  return response;
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

function totalBytes(response: Response): number | undefined {
  const total = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

function failed(url: URL, problem: string, options?: ErrorOptions): FlashMLAError {
  return new FlashMLAError(
    'invalid-file',
    `[model-swap] ${url.href} ${problem}; check the address and try again.`,
    options,
  );
}
