// What may go wrong: a reader who changes their mind, a device that is lost, files that are no texts.

import { describeInBrowser, type Site } from '@flashmla/browser-testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { done, expectAnswers, patience, previewSite, runs, status, textOf } from './site.ts';

/** Runs in the worker before its own code: lets a test take the GPU away. */
const loser = `
  const devices = [];
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    return device;
  };
  globalThis.loseDevice = () => {
    for (const device of devices.splice(0)) device.destroy();
  };
`;

/** The same: lets a test end one of the backend's threads as a crash would. */
const prelude = `
  const threads = [];
  const Native = Worker;
  globalThis.Worker = class extends Native {
    constructor(...options) {
      super(...options);
      threads.push(this);
    }
  };
  globalThis.crash = () => {
    for (const thread of threads) thread.dispatchEvent(new ErrorEvent('error', { message: 'the device is gone' }));
  };
`;

describeInBrowser('trouble', (open) => {
  let site: Site;
  beforeAll(async () => {
    site = await previewSite();
  });
  afterAll(() => site?.close());

  const read = async (page: Page, text: string) => {
    await page.getByLabel('Text to read').fill(text);
    await page.getByRole('button', { name: 'Read it both ways' }).click();
  };
  const sentence = 'A long and moving film about a ferry. ';
  /** As many tokens as the model takes. */
  const readLongText = (page: Page) => read(page, sentence.repeat(600));

  test('while 4096 tokens are read the page draws and answers, and it can be cancelled', async () => {
    const page = await open(site.url);
    await done(page);
    expect(await page.getByRole('button', { name: 'Cancel' }).isDisabled()).toBe(true);
    await readLongText(page);
    await status(page, /4096 tokens/);
    // Long tasks of the page itself, in ms, while the worker computes.
    const longest = await page.evaluate(async () => {
      let [last, most] = [performance.now(), 0];
      for (let frame = 0; frame < 60; frame++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        most = Math.max(most, performance.now() - last);
        last = performance.now();
      }
      return most;
    });
    expect(longest).toBeLessThan(250);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await status(page, 'Cancelled.');
    expect(await page.locator('#error').isVisible()).toBe(false);
    await runs(page, () => page.getByRole('button', { name: 'Review that does not' }).click());
    await expectAnswers(page, 'negative');
    await page.close();
  });

  test('a later text cancels the one that is being read', async () => {
    const page = await open(site.url);
    await done(page);
    await readLongText(page);
    await status(page, /4096 tokens/);
    await runs(page, () => page.getByRole('button', { name: 'Review that does not' }).click());
    await expectAnswers(page, 'negative');
    await page.close();
  });

  /** The page, whose engine runs `before` first. */
  const openWith = async (before: string): Promise<Page> => {
    const page = await open('about:blank');
    await page.route('**/assets/worker-*.js', async (route) => {
      const response = await route.fetch();
      const body = await response.text();
      const isEngine = body.includes('cancel');
      await route.fulfill({ response, body: isEngine ? `${before}${body}` : body });
    });
    await page.goto(site.url);
    await done(page);
    return page;
  };

  test('a GPU that is lost costs the run it is lost in, and the next one works', async ({ skip }) => {
    const page = await openWith(loser);
    const isOffered = (await page.locator('#backend option[value=webgpu]:enabled').count()) > 0;
    if (!isOffered) await page.close();
    skip(!isOffered, 'the page offers no WebGPU');
    // What the software GPU of the tests has begun it also ends, so it is little.
    const short = 'A waste of an evening: dull, long, and badly acted.';
    await page.getByLabel('Text to read').fill(short);
    await runs(page, () => page.locator('#backend').selectOption('webgpu'), 2 * patience);
    await read(page, sentence.repeat(30));
    await status(page, /Reading \d+ tokens/);
    await page.workers()[0]!.evaluate(() => (globalThis as unknown as { loseDevice: () => void }).loseDevice());
    await status(page, 'The device was lost; the next run opens it again.');
    expect(await textOf(page, 'error-text')).toMatch(/the GPU device was lost/);
    await runs(page, () => read(page, short), 2 * patience);
    await expectAnswers(page, 'negative');
    expect(await page.locator('#error').isVisible()).toBe(false);
    expect(await textOf(page, 'why')).toMatch(/^webgpu/);
    await page.close();
  });

  test('a backend that fails is named, opened again, and runs again', async () => {
    const page = await openWith(prelude);
    await readLongText(page);
    await status(page, /4096 tokens/);
    const [engine] = page.workers();
    await engine!.evaluate(() => (globalThis as unknown as { crash: () => void }).crash());
    await status(page, 'The backend cpu failed and was opened again.');
    expect(await textOf(page, 'error-text')).toMatch(/^The backend cpu failed: .*the device is gone/);
    await page.getByRole('button', { name: 'Run again' }).click();
    await done(page);
    expect(await page.locator('#error').isVisible()).toBe(false);
    expect(await textOf(page, 'length')).toBe('4096 tokens · K = 64');
    await page.close();
  });

  test('a model that can not be fetched is an error that can be tried again', async () => {
    const page = await open('about:blank');
    let isDown = true;
    await page.route('**/*.safetensors', (route) => (isDown ? route.abort() : route.continue()));
    await page.goto(site.url);
    await page.locator('#error-text').filter({ hasText: "model's file" }).waitFor({ timeout: patience });
    isDown = false;
    await page.getByRole('button', { name: 'Run again' }).click();
    await done(page);
    await expectAnswers(page, 'positive');
    await page.close();
  });

  test('wrong files: one clear message each, and the next good one makes it go away', async () => {
    const page = await open(site.url);
    await done(page);
    const give = async (name: string, content: Uint8Array | string) => {
      await page.locator('#file').setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(content) });
      await page.locator('#notice').filter({ hasText: name }).waitFor();
      return textOf(page, 'notice');
    };
    expect(await give('photo.png', Uint8Array.of(0x89, 0x50, 0, 1))).toMatch(/is no plain text in UTF-8/);
    expect(await give('empty.txt', '')).toMatch(/is empty/);
    expect(await give('latin.txt', Uint8Array.of(0x47, 0x72, 0xfc))).toMatch(/is no plain text in UTF-8/);
    expect(await give('large.txt', new Uint8Array(4e6 + 1).fill(97))).toMatch(/at most 4 MB/);
    expect(await give('config.json', '{}')).toMatch(/A model needs tokenizer.json and model.safetensors too/);
    const review = Buffer.from('A waste of an evening: dull, long, and badly acted.');
    const file = { name: 'review.txt', mimeType: 'text/plain', buffer: review };
    await runs(page, () => page.locator('#file').setInputFiles(file));
    await expectAnswers(page, 'negative');
    expect(await page.locator('#notice').isVisible()).toBe(false);
    await page.close();
  });

  test('files of a broken model: the message names what is wrong, and the page goes on', async () => {
    const page = await open(site.url);
    await done(page);
    const file = (name: string) => ({ name, mimeType: 'application/json', buffer: Buffer.from('{') });
    await page.locator('#file').setInputFiles(['config.json', 'tokenizer.json', 'model.safetensors'].map(file));
    await page.locator('#error-text').filter({ hasText: 'config.json' }).waitFor({ timeout: patience });
    await page.close();
  });
});
