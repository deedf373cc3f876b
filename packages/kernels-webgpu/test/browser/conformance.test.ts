// Every op and case of the conformance suite inside a page of Chromium, on its SwiftShader.

import {
  describeInBrowser,
  type Site,
  serve,
  testConformanceIn,
  testLossIn,
  workspace,
} from '@flashmla/browser-testing';
import type {} from '@flashmla/browser-testing/page';
import type { DeviceInfo } from '@flashmla/tensor';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

describeInBrowser('kernels-webgpu in Chromium', (open) => {
  let site: Site;
  let page: Page;
  let device: DeviceInfo;
  beforeAll(async () => {
    site = await serve(workspace, { isolated: false });
    page = await open(`${site.url}packages/kernels-webgpu/test/browser/page.html`);
    device = await page.evaluate(() => conformance.open({}));
  });
  afterAll(async () => {
    await page?.close();
    await site?.close();
  });

  test('this is what runs', () => {
    expect(device.description).toContain('swiftshader');
    expect(device.features).toContain('timestamp-query');
  });

  testConformanceIn(() => page);
  testLossIn(() => page);
});
