// The browser of a test file: Chromium, started once for the file.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, inject } from 'vitest';
import { launch } from './browser.ts';
import type {} from './provided.ts';

/** A group of tests with pages to open; skipped where there is no Chromium (find-chromium.ts). */
export function describeInBrowser(name: string, body: (open: (url: string) => Promise<Page>) => void): void {
  const executablePath = inject('chromium');
  describe.skipIf(!executablePath)(name, () => {
    let browser: Browser | undefined;
    beforeAll(async () => {
      browser = await launch(executablePath!, 'swiftshader');
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
