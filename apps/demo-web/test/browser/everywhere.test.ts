// Where and how it is read: offline, on a host that sends no headers, on a phone, by keyboard alone.

import { describeInBrowser, serve } from '@flashmla/browser-testing';
import { expect, test } from 'vitest';
import { app, done, expectAnswers, figuresOf, patience, previewSite, runs, status, textOf } from './site.ts';

describeInBrowser('everywhere', (open) => {
  test('a second visit works without a network', async () => {
    const site = await previewSite();
    const page = await open(site.url);
    await page.locator('#offline').filter({ hasText: 'it works offline' }).waitFor({ timeout: patience });
    await site.close();
    await page.reload();
    await done(page);
    await expectAnswers(page, 'positive');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.close();
  });

  test('on a host that sends no headers, the service worker isolates the page', async () => {
    const site = await serve(new URL('dist/', app), { isolated: false });
    const page = await open(site.url);
    await done(page);
    await expectAnswers(page, 'positive');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.close();
    await site.close();
  });

  test('without isolation it runs on one thread, and says so', async () => {
    const site = await serve(new URL('dist/', app), { isolated: false });
    const page = await open('about:blank');
    await page.addInitScript(() => {
      Object.defineProperty(navigator, 'serviceWorker', { value: undefined });
    });
    await page.goto(site.url);
    await done(page);
    await expectAnswers(page, 'positive');
    expect(await textOf(page, 'why')).toMatch(/not cross-origin isolated, so .* one thread/);
    await page.close();
    await site.close();
  });

  test('on a phone nothing is wider than the screen, in any state', async () => {
    const site = await previewSite();
    const page = await open('about:blank');
    await page.setViewportSize({ width: 360, height: 640 });
    await page.goto(site.url);
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    await status(page, /^Timing/);
    expect(await overflow()).toBeLessThanOrEqual(0);
    await done(page);
    expect(await overflow()).toBeLessThanOrEqual(0);
    await page.getByText('The figures as a table').click();
    await page.getByLabel('Text to read').fill('x'.repeat(3000));
    expect(await overflow()).toBeLessThanOrEqual(0);
    await page.close();
    await site.close();
  });

  test('by keyboard alone: choose, run, cancel, explore', async () => {
    const site = await previewSite();
    const page = await open(site.url);
    await done(page);
    const focused = () =>
      page.evaluate(() => {
        const { activeElement: element } = document;
        return element?.id || element?.getAttribute('aria-label') || element?.textContent?.trim() || '';
      });
    const tabTo = async (name: string) => {
      for (let step = 0; step < 60; step++) {
        await page.keyboard.press('Tab');
        if ((await focused()) === name) return;
      }
      throw new Error(`Tab does not reach ${name}`);
    };
    await tabTo('Review that does not');
    await runs(page, () => page.keyboard.press('Enter'));
    await expectAnswers(page, 'negative');
    // Typing picks an option of a select, as it does for a reader.
    await tabTo('k');
    await runs(page, () => page.keyboard.press('8'));
    expect(await textOf(page, 'length')).toMatch(/K = 8$/);
    await tabTo('run');
    await page.keyboard.press('Enter');
    await status(page, /^Reading/);
    await tabTo('cancel');
    await page.keyboard.press('Enter');
    await status(page, 'Cancelled.');
    // The cancel button can no longer have the focus; it stays where work begins.
    expect(await focused()).toBe('run');
    await runs(page, () => page.keyboard.press('Enter'));
    await tabTo('Layer 1, head 3');
    await page.keyboard.press('Space');
    expect(await textOf(page, 'matrix-title')).toMatch(/^Layer 1, head 3/);
    await tabTo('token');
    const before = await textOf(page, 'chosen');
    await page.keyboard.press('ArrowRight');
    expect(await textOf(page, 'chosen')).not.toBe(before);
    expect((await figuresOf(page, 'sparse'))['Keys computed']).not.toBe('–');
    await page.close();
    await site.close();
  });
});
