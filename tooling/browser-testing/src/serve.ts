// A file server for one test: everything under a folder, with or without the headers that isolate a page. TypeScript is
// served with its types taken out; nothing is bundled.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';
import { transformWithOxc } from 'vite';

/** Gives a page SharedArrayBuffer: https://developer.mozilla.org/docs/Web/API/Window/crossOriginIsolated */
export const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  '.wgsl': 'text/plain; charset=utf-8',
};

/** This repository, whose packages a page imports as they are built. */
export const workspace = new URL('../../../', import.meta.url);

export interface Site {
  /** Ends in '/'. */
  readonly url: string;
  close(): Promise<void>;
}

/** @param folder a file URL that ends in '/' */
export async function serve(folder: URL, { isolated }: { isolated: boolean }): Promise<Site> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url!.replace(/\/$/, '/index.html'), 'http://localhost');
    try {
      const body = await contents(new URL(`.${pathname}`, folder));
      const type = types[extname(pathname)] ?? 'application/octet-stream';
      response.writeHead(200, { 'Content-Type': type, ...(isolated ? isolation : {}) }).end(body);
    } catch (error) {
      response.writeHead(404).end(String(error));
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

async function contents(file: URL): Promise<string | Buffer> {
  if (!file.pathname.endsWith('.ts')) return readFile(file);
  const { code } = await transformWithOxc(await readFile(file, 'utf8'), file.pathname, { sourcemap: false });
  return code;
}
