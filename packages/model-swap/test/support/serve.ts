// A model behind a URL.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export type Handler = (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array) => void;

/** A server of files under /model/, for one test; gives its address and the requests it saw. */
export async function serve(files: Readonly<Record<string, Uint8Array>>, handle: Handler) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const name = request.url?.replace('/model/', '') ?? '';
    requests.push(`${name} ${request.headers.range ?? 'whole'}`);
    const bytes = files[name];
    if (bytes) handle(request, response, bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model`, requests };
}

/** As most servers answer. */
export const byRanges: Handler = (request, response, bytes) => {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  if (start === undefined) response.end(bytes);
  const last = Math.min(Number(end), bytes.length - 1);
  response.writeHead(206, { 'content-range': `bytes ${start}-${last}/${bytes.length}` });
  response.end(bytes.subarray(Number(start), last + 1));
};

/** As servers without ranges do. */
export const whole: Handler = (_, response, bytes) => response.end(bytes);
