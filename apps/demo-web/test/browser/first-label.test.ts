// The figure in the README: how long a reader who comes back waits for the first label.

import { describeInBrowser } from '@flashmla/browser-testing';
import { expect, test } from 'vitest';
import { patience, previewSite } from './site.ts';

declare global {
  /** When the first label was there, in ms since the navigation began. */
  var firstLabelMs: number | undefined;
}

const visits = 7;

describeInBrowser('first label', (open) => {
  test('on a warm cache it is there within 2 s', async () => {
    const site = await previewSite();
    const page = await open('about:blank');
    await page.addInitScript(() => {
      const look = () => {
        const label = document.querySelector('#dense .answer')?.textContent ?? '';
        if (/^(positive|negative)$/.test(label)) globalThis.firstLabelMs ??= performance.now();
      };
      new MutationObserver(look).observe(document, { childList: true, subtree: true });
    });
    await page.goto(site.url);
    await page.locator('#offline').filter({ hasText: 'it works offline' }).waitFor({ timeout: patience });
    const times: number[] = [];
    for (let visit = 0; visit < visits; visit++) {
      await page.reload();
      await page.waitForFunction(() => globalThis.firstLabelMs !== undefined, undefined, { timeout: patience });
      times.push(Math.round(await page.evaluate(() => globalThis.firstLabelMs!)));
    }
    times.sort((a, b) => a - b);
    console.log(
      `first label, warm: median ${times[Math.floor(visits / 2)]} ms (${times[0]} to ${times.at(-1)}, ${visits} visits)`,
    );
    // The least: what else the machine does must not fail the suite.
    expect(times[0]).toBeLessThanOrEqual(2000);
    await page.close();
    await site.close();
  });
});
