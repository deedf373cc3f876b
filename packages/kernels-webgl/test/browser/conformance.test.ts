// Every op and case of the conformance suite inside a page, on WebGL2.

import {
  describeInBrowser,
  type Site,
  serve,
  testConformanceIn,
  testLossIn,
  workspace,
} from '@flashmla/browser-testing';
import type { DeviceInfo } from '@flashmla/tensor';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

describeInBrowser('kernels-webgl in Chromium', (open) => {
  let site: Site;
  let page: Page;
  let device: DeviceInfo;
  beforeAll(async () => {
    site = await serve(workspace, { isolated: false });
    page = await open(`${site.url}packages/kernels-webgl/test/browser/page.html`);
    device = await page.evaluate(() => conformance.open({}));
  });
  afterAll(async () => {
    await page?.close();
    await site?.close();
  });

  test('this is what runs', () => {
    expect(device.features).toEqual(['webgl2', 'float-textures']);
    expect(device.description).toMatch(/^WebGL2 through gpu\.js, .*SwiftShader/);
  });

  testConformanceIn(() => page);
  testLossIn(() => page);
});
