// What is known to go wrong with gpu.js, and with WebGL, each looked at where it would be seen: loops cut short, indices
// beyond 2^24, a silent move to the CPU, contexts left open or lost.

import { describeInBrowser, type Site, serve, workspace } from '@flashmla/browser-testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {} from './page.ts';

const folder = 'packages/kernels-webgl/test/browser';

describeInBrowser('gpu.js and WebGL2 in Chromium', (open) => {
  let site: Site;
  let page: Page;
  beforeAll(async () => {
    site = await serve(workspace, { isolated: false });
    page = await open(`${site.url}${folder}/page.html`);
    await page.evaluate(() => conformance.open({}));
  });
  afterAll(async () => {
    await page?.close();
    await site?.close();
  });

  describe('loops', () => {
    test.each([1000, 1001, 5000])('a sum over %i features is not cut short', async (inFeatures) => {
      expect(await page.evaluate((count) => kernelsWebgl.sumOfOnes(count), inFeatures)).toBe(inFeatures);
    });

    test.each([1000, 1001, 5000])('a softmax over %i keys is not cut short', async (keys) => {
      const { mean, lse } = await page.evaluate((count) => kernelsWebgl.attendToEqualKeys(count), keys);
      expect(lse).toBeCloseTo(Math.log(keys), 4);
      expect(mean / ((keys - 1) / 2)).toBeCloseTo(1, 4);
    });
  });

  describe('indices', () => {
    test('elements beyond 2^24 are read from, and written to, where they are', async () => {
      const sizes = { rows: 4099, width: 4099 };
      expect(sizes.rows * sizes.width).toBeGreaterThan(2 ** 24);
      expect(await page.evaluate((chosen) => kernelsWebgl.gatherAll(chosen), sizes)).toBe(0);
    });

    test('what does not fit a texture is refused, with advice', async () => {
      const sizes = { op: 'linear', rows: 2 ** 20, inFeatures: 1, outFeatures: 2 ** 10 } as const;
      const problem = { ...sizes, bias: false, activation: 'none' } as const;
      expect(await page.evaluate((chosen) => kernelsWebgl.supports(chosen), problem)).toEqual({
        supported: false,
        reason: expect.stringMatching(/^'output' has 1073741824 elements, and a texture of this device holds \d+$/),
        advice: expect.stringContaining('shorten the input'),
      });
      expect(await page.evaluate((chosen) => kernelsWebgl.prepareError(chosen), problem)).toMatch(
        /^FlashMLAError: \[kernels-webgl\] linear: 'output' has/,
      );
    });

    test('what would count beyond 2^24 in floats is refused, with advice', async () => {
      const sizes = { batch: 1, heads: 1, tokens: 2 ** 24 + 1, rank: 1, leaf: 16 } as const;
      const problem = { op: 'content-order', ...sizes, mask: false } as const;
      expect(await page.evaluate((chosen) => kernelsWebgl.supports(chosen), problem)).toEqual({
        supported: false,
        reason: 'it counts up to 16777217 in floats, which are exact up to 16777216',
        advice: expect.stringContaining('shorten the input'),
      });
    });
  });

  describe('what really runs', () => {
    test('every pass is a draw, and nothing is read back but by read', async () => {
      const { dispatched, afterReading, result } = await page.evaluate(() => kernelsWebgl.callsOfTwoOps());
      expect(dispatched).toEqual({ draws: 2, reads: 0 });
      expect(afterReading).toEqual({ draws: 2, reads: 1 });
      expect(result).toEqual(new Array(8).fill(16));
    });

    test('a fallback of gpu.js to the CPU is an error', async () => {
      expect(await page.evaluate(() => kernelsWebgl.errorOfFallback())).toMatch(
        /^FlashMLAError: \[kernels-webgl\] gpu\.js did not run linear on WebGL2/,
      );
    });

    test('a result that gpu.js computed on the CPU is an error', async () => {
      expect(await page.evaluate(() => kernelsWebgl.errorOfCpuKernel())).toMatch(
        /^FlashMLAError: \[kernels-webgl\] gpu\.js did not run linear on WebGL2: it took CPUKernel/,
      );
    });
  });

  describe('contexts', () => {
    test('a probe tells the device', async () => {
      expect(await page.evaluate(() => kernelsWebgl.probeOn('A GPU'))).toMatchObject({
        available: true,
        device: 'WebGL2 through gpu.js, A GPU',
      });
    });

    test('a probe passes over a GPU that the CPU computes, which would be slower than the CPU backend', async () => {
      expect(await page.evaluate(() => kernelsWebgl.probe())).toEqual({
        available: false,
        reason: expect.stringMatching(/computed by the CPU here \(.*SwiftShader.*\).*hardware acceleration/),
      });
    });

    test('a probe leaves no context open', async () => {
      expect(await page.evaluate(() => kernelsWebgl.openAfterProbes(40))).toBe(0);
      // Browsers keep about 16; the one that is in use must not be among those dropped.
      expect(await page.evaluate(() => kernelsWebgl.sumOfOnes(3))).toBe(3);
    });

    test('a probe says what is missing', async () => {
      expect(await page.evaluate(() => kernelsWebgl.reasonsWithout())).toEqual({
        webgl2: { available: false, reason: expect.stringContaining('no WebGL2 context') },
        floatBuffers: { available: false, reason: expect.stringContaining('EXT_color_buffer_float') },
      });
    });

    test('a probe says how to get gpu.js where it is missing', async () => {
      const bare = await open(`${site.url}${folder}/without-gpu-js.html`);
      expect(await bare.evaluate(() => probed)).toEqual({
        available: false,
        reason: expect.stringContaining('npm i gpu.js'),
      });
      await bare.close();
    });

    test('a context that the browser takes away, and gives no other for, is an error until it does', async () => {
      const { error, read } = await page.evaluate(() => kernelsWebgl.recoverWithoutContext());
      expect(error).toMatch(/the GPU was taken away and can't be opened again: .*no WebGL2 context/);
      expect(read).toEqual([1, 1, 1, 1]);
    });
  });
});

declare global {
  var probed: unknown;
}
