// Finds the Chromium that the browser suite runs in, before any test. Without one the suite is skipped and says so,
// unless FLASHMLA_REQUIRE names chromium.

import type { TestProject } from 'vitest/node';
import { findChromium } from './browser.ts';
import type {} from './provided.ts';

const { FLASHMLA_REQUIRE = '' } = process.env;

export default function provideChromium(project: TestProject): void {
  try {
    project.provide('chromium', findChromium());
  } catch (error) {
    if (FLASHMLA_REQUIRE.split(/[\s,]+/).includes('chromium')) throw error;
    console.warn(`${(error as Error).message} The browser suite is skipped.`);
    project.provide('chromium', undefined);
  }
}
