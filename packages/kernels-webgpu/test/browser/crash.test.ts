// A device that is lost for real: Chromium's GPU process is ended.

import { describeInBrowser, type Site, serve, testCrashIn, workspace } from '@flashmla/browser-testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';

describeInBrowser('WebGPU in Chromium', (open) => {
  let site: Site;
  let page: Page;
  beforeAll(async () => {
    site = await serve(workspace, { isolated: false });
    page = await open(`${site.url}packages/kernels-webgpu/test/browser/page.html`);
    await page.evaluate(() => conformance.open({}));
  });
  afterAll(async () => {
    await page?.close();
    await site?.close();
  });

  testCrashIn(() => page);
});
