// Finds the Chromium that the browser suite runs in, before any test. Without one the suite is skipped and says so,
// unless FLASHMLA_REQUIRE names chromium.

import { isRequired } from '@flashmla/conformance/required';
import type { TestProject } from 'vitest/node';
import { findChromium } from './browser.ts';
import type {} from './provided.ts';

export default function provideChromium(project: TestProject): void {
  try {
    project.provide('chromium', findChromium());
  } catch (error) {
    if (isRequired('chromium')) throw error;
    console.warn(`${(error as Error).message} The browser suite is skipped.`);
    project.provide('chromium', undefined);
  }
}
