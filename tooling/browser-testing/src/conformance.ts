// The conformance suite as tests of vitest that each run in a page, on the backend that is open there (page.ts).

import { type Case, conformanceCases, contractChecks, lossChecks } from '@flashmla/conformance';
import type { Page } from 'playwright-core';
import { describe, test } from 'vitest';
import type {} from './page.ts';

/** Registers a test for every promise of the contract and every case; `page` gives the page once tests run. */
export function testConformanceIn(page: () => Page, filter: (testCase: Case) => boolean = () => true): void {
  describe('contract', () => {
    for (const { name } of contractChecks()) {
      test(name, () => page().evaluate((check) => conformance.runCheck(check), name));
    }
  });
  describe('cases', () => {
    for (const { name } of conformanceCases().filter(filter)) {
      test(name, () => page().evaluate((testCase) => conformance.runCase(testCase), name));
    }
  });
}

/** Registers a test for every promise about a lost device; the page must have said how it is lost. */
export function testLossIn(page: () => Page): void {
  describe('a lost device', () => {
    for (const { name } of lossChecks()) {
      test(name, () => page().evaluate((check) => conformance.runLossCheck(check), name));
    }
  });
}

/**
 * Registers the test that the backend survives the process that drives the GPU. In a file of its own, once: all pages of
 * the browser lose their devices, and after a second crash Chromium gives none any more.
 */
export function testCrashIn(page: () => Page): void {
  test('the process that drives the GPU crashes, and the backend recovers', async () => {
    const session = await page().context().browser()!.newBrowserCDPSession();
    await page().exposeFunction('crashGpuProcess', () => session.send('Browser.crashGpuProcess'));
    await page().evaluate((check) => conformance.runLossCheck(check, true), 'concurrent calls share one recovery');
  });
}
