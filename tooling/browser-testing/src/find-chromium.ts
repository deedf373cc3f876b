// Finds the Chromium that the browser suite runs in, before any test: CHROMIUM_PATH, or one of its usual names in PATH.
// Without one the suite is skipped and says so, unless FLASHMLA_REQUIRE names chromium.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type {} from './provided.ts';

const { CHROMIUM_PATH, FLASHMLA_REQUIRE = '', PATH = '' } = process.env;

export default function findChromium(project: TestProject): void {
  const chromium = CHROMIUM_PATH ? existing(CHROMIUM_PATH) : inPath('chromium', 'chromium-browser', 'google-chrome');
  if (!chromium) {
    const looked = CHROMIUM_PATH ? `CHROMIUM_PATH is ${CHROMIUM_PATH}, no such file` : 'there is no Chromium in PATH';
    const message = `${looked}; install Chromium or set CHROMIUM_PATH to its executable.`;
    if (FLASHMLA_REQUIRE.split(/[\s,]+/).includes('chromium')) throw new Error(message);
    console.warn(`${message} The browser suite is skipped.`);
  }
  project.provide('chromium', chromium);
}

const existing = (path: string) => (existsSync(path) ? path : undefined);

function inPath(...names: string[]): string | undefined {
  const folders = PATH.split(delimiter).filter(Boolean);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
}
