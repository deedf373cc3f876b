// Every op and case of the conformance suite inside a page, on each of the three WASM builds: with threads in a page that
// is cross-origin isolated, with one worker in a page that is not.

import { describeInBrowser, type Site, serve, testConformanceIn, workspace } from '@flashmla/browser-testing';
import type { CpuOpenOptions } from '@flashmla/kernels-cpu';
import type { DeviceInfo } from '@flashmla/tensor';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Mode {
  readonly name: string;
  readonly isolated: boolean;
  readonly options: CpuOpenOptions;
  readonly wasm: string;
  readonly features: string[];
  readonly threads: number;
  readonly description: RegExp;
}

const modes: Mode[] = [
  {
    name: 'isolated page, relaxed SIMD, two threads',
    isolated: true,
    options: { threads: 2 },
    wasm: 'kernels.relaxed.wasm',
    features: ['simd128', 'relaxed-simd', 'threads', 'int8'],
    threads: 2,
    description: /^2 threads, WASM SIMD128 \+ relaxed SIMD, browser$/,
  },
  {
    name: 'isolated page, SIMD128, two threads',
    isolated: true,
    options: { threads: 2, relaxedSimd: false },
    wasm: 'kernels.simd.wasm',
    features: ['simd128', 'threads', 'int8'],
    threads: 2,
    description: /^2 threads, WASM SIMD128, browser$/,
  },
  {
    name: 'page without isolation',
    isolated: false,
    options: { threads: 2 },
    wasm: 'kernels.single.wasm',
    features: ['simd128', 'int8'],
    threads: 1,
    description: /^1 thread, .*no SharedArrayBuffer; serve the page cross-origin isolated/,
  },
];

describeInBrowser('kernels-cpu in Chromium', (open) => {
  describe.each(modes)('$name', ({ isolated, options, wasm, features, threads, description }) => {
    let site: Site;
    let page: Page;
    let device: DeviceInfo;
    beforeAll(async () => {
      site = await serve(workspace, { isolated });
      page = await open(`${site.url}packages/kernels-cpu/test/browser/page.html`);
      device = await page.evaluate((chosen) => conformance.open(chosen), options);
    });
    afterAll(async () => {
      await page?.close();
      await site?.close();
    });

    test('this is what runs', async () => {
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(isolated);
      expect(await page.evaluate(() => kernelsCpu.fetchedWasm())).toEqual([wasm]);
      expect(device.features).toEqual(features);
      expect(device.threads).toBe(threads);
      expect(device.description).toMatch(description);
    });

    test('the page goes on drawing while an 8192-token attention runs', async () => {
      const sizes = { heads: 4, tokens: 8192, headDim: 64 };
      // At 60 frames a second it draws dozens; were the main thread to wait for the kernels, it would draw one.
      expect(await page.evaluate((chosen) => kernelsCpu.framesDuringAttention(chosen), sizes)).toBeGreaterThan(5);
    });

    testConformanceIn(() => page);
  });
});
