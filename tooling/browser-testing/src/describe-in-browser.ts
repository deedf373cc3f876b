// The browser of a test file: Chromium without a window, started once for the file, with a profile that is thrown away.

import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import type {} from './provided.ts';

const flags = [
  // Without it, Chromium refuses to run as root.
  '--no-sandbox',
  // WebGL and WebGPU on SwiftShader, which is a part of Chromium: the same device on every machine.
  '--disable-gpu',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // Keeps it from looking for anything outside.
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A group of tests with pages to open; skipped where there is no Chromium (find-chromium.ts). */
export function describeInBrowser(name: string, body: (open: (url: string) => Promise<Page>) => void): void {
  const executablePath = inject('chromium');
  describe.skipIf(!executablePath)(name, () => {
    let browser: Browser | undefined;
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath, args: flags });
    });
    afterAll(() => browser?.close());
    body(async (url) => {
      const page = await browser!.newPage();
      page.on('pageerror', (error) => console.error(`${url}: ${error.stack}`));
      await page.goto(url);
      return page;
    });
  });
}
