// The built page as `vite preview` serves it, and what tests look for in it.

import { fileURLToPath } from 'node:url';
import type { Site } from '@flashmla/browser-testing';
import type { Page } from 'playwright-core';
import { preview } from 'vite';
import { expect } from 'vitest';

export const app = new URL('../../', import.meta.url);
export const root = fileURLToPath(app);

/** For what takes a second or two on a quiet machine. */
export const patience = 30_000;

export async function previewSite(): Promise<Site> {
  const server = await preview({ root, logLevel: 'warn', preview: { host: '127.0.0.1', port: 0 } });
  return { url: server.resolvedUrls!.local[0]!, close: () => server.close() };
}

/** Waits until the status says it. */
export const status = (page: Page, text: string | RegExp) =>
  page.locator('#status').filter({ hasText: text }).waitFor({ timeout: patience });

export const done = (page: Page) => status(page, /^Done\.$/);

/** Does something that makes the page run, and waits until it is done; what the status said meanwhile is returned. */
export async function runs(page: Page, act: () => Promise<unknown>, timeout = patience): Promise<string[]> {
  // A short run's words are gone before a test could look for them, so they are collected.
  const said = await page.evaluateHandle(() => {
    const line = document.querySelector('#status')!;
    const words: string[] = [];
    new MutationObserver(() => words.push(line.textContent ?? '')).observe(line, { childList: true });
    return words;
  });
  await act();
  await page.waitForFunction((words) => words.at(-1) === 'Done.', said, { timeout });
  return said.jsonValue();
}

export const textOf = async (page: Page, id: string): Promise<string> =>
  ((await page.locator(`#${id}`).textContent()) ?? '').trim();

/** The figures of a card by their names. */
export const figuresOf = (page: Page, card: 'dense' | 'sparse'): Promise<Record<string, string>> =>
  page
    .locator(`#${card} .figures div`)
    .evaluateAll((rows) =>
      Object.fromEntries(
        rows.map((row) => [row.querySelector('dt')!.textContent, row.querySelector('dd')!.textContent]),
      ),
    );

/** Both cards name a label, and the sentence above them says that it is the same. */
export async function expectAnswers(page: Page, label: 'positive' | 'negative'): Promise<void> {
  for (const card of ['dense', 'sparse']) {
    expect(await page.locator(`#${card} .answer`).textContent()).toBe(label);
  }
  expect(await textOf(page, 'verdict')).toMatch(/^Same label/);
}
