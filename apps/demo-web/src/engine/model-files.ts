// The files of a model, in memory. They are fetched whole: a kept response of a service worker has no ranges, and the
// shipped model is small.

import type { ModelFiles } from '@flashmla/model-swap';
import { FlashMLAError } from '@flashmla/tensor';
import type { LoadEvent } from './protocol.ts';

/** @param urls by the files' names */
export async function fetchFiles(
  urls: Readonly<Record<string, string>>,
  report: (event: LoadEvent) => void,
  signal: AbortSignal,
): Promise<ModelFiles> {
  const responses = await Promise.all(
    Object.entries(urls).map(async ([name, url]) => ({ name, response: await get(url, signal) })),
  );
  const lengths = responses.map(({ response: { headers } }) =>
    // A compressed response's length says nothing of what comes out.
    headers.get('Content-Encoding') ? 0 : Number(headers.get('Content-Length') ?? 0),
  );
  const total = lengths.includes(0) ? undefined : lengths.reduce((sum, length) => sum + length, 0);
  let done = 0;
  const advance = (step: number) => {
    done += step;
    report({ task: 'fetch', done, total });
  };
  const read = responses.map(async ({ name, response }) => [name, await bytesOf(response, advance)] as const);
  return Object.fromEntries(await Promise.all(read));
}

async function get(url: string, signal: AbortSignal): Promise<Response> {
  try {
    const response = await fetch(url, { signal });
    if (response.ok && response.body) return response;
    throw new Error(`the server answered ${response.status}`);
  } catch (cause) {
    signal.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `[demo] the model's file ${url} can't be fetched: ${reason}. Look at the connection and load again.`;
    throw new FlashMLAError('invalid-file', message, { cause });
  }
}

async function bytesOf(response: Response, advance: (step: number) => void): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const reader = response.body!.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    advance(part.value.byteLength);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
