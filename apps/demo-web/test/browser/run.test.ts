// The page from load to figures, and every choice a reader has.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeInBrowser, type Site } from '@flashmla/browser-testing';
import { modelFiles, modelUrl } from '@flashmla/model-sentiment';
import type { Page } from 'playwright-core';
import { createServer } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { done, expectAnswers, figuresOf, inEngine, previewSite, root, runs, status, textOf } from './site.ts';

const megabytes = (text: string | undefined) => Number(/([\d.]+) MB/.exec(text!)![1]);

/** How many WebGPU devices the engine opens. */
const countDevices = `
  globalThis.devices = 0;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function (...options) {
    globalThis.devices += 1;
    return requestDevice.apply(this, options);
  };
`;

describeInBrowser('the page', (open) => {
  let site: Site;
  beforeAll(async () => {
    site = await previewSite();
  });
  afterAll(() => site?.close());

  test('reads the first sample by itself: labels, figures, chart, keys, reasons', async () => {
    const page = await open(site.url);
    await done(page);
    await expectAnswers(page, 'positive');
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    const [dense, sparse] = [await figuresOf(page, 'dense'), await figuresOf(page, 'sparse')];
    expect(dense['Keys computed']).toBe('100 %');
    expect(sparse['Keys computed']).toMatch(/^12 %$/);
    // Predicted before it ran, and measured.
    const predicted = await page.locator('#prediction dd').allTextContents();
    expect(megabytes(predicted[0]) / megabytes(dense.Memory)).toBeCloseTo(1, 0.8);
    expect(megabytes(predicted[1]) / megabytes(sparse.Memory)).toBeCloseTo(1, 0.8);
    expect(await page.locator('#latency-table tbody th').allTextContents()).toEqual(['128', '256', '512', '900']);
    expect(await page.locator('#latency svg circle').count()).toBe(8);
    expect(await page.locator('.head canvas').count()).toBe(16);
    expect(await textOf(page, 'quality')).toMatch(
      /^What it picked holds \d+\.\d % of dense attention; the best keys hold \d+\.\d %, as many neighbours \d\.\d %\. Its output is \d\.\d % from dense\.$/,
    );
    expect(await textOf(page, 'why')).toMatch(
      /^cpu, the fastest here: \d+ threads?, WASM.*a layer of 512 tokens takes [\d.]+ ms, on webgpu .*, on webgl /,
    );
    expect(await page.locator('#backends li').count()).toBe(5);
    await page.close();
  });

  test('asks nothing of other origins', async () => {
    const page = await open('about:blank');
    const asked: string[] = [];
    page.context().on('request', (request) => asked.push(request.url()));
    await page.goto(site.url);
    await done(page);
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((url) => !url.startsWith(site.url))).toEqual([]);
    await page.close();
  });

  test('K, gate and backend are chosen at run time', async () => {
    const page = await open(site.url);
    await done(page);
    const before = await figuresOf(page, 'sparse');
    await runs(page, () => page.getByLabel('K, keys picked').selectOption('16'));
    expect(await textOf(page, 'length')).toBe('900 tokens · K = 16');
    expect(Number.parseFloat((await figuresOf(page, 'sparse'))['Keys computed']!)).toBeLessThan(
      Number.parseFloat(before['Keys computed']!),
    );
    await runs(page, () => page.getByLabel('Gate').selectOption('static'));
    expect(await textOf(page, 'gate-note')).toMatch(/^Static: a window/);
    const said = await runs(page, () => page.getByLabel('Backend', { exact: true }).selectOption('cpu'));
    // The model is there: it is not fetched again.
    expect(said.slice(0, 2)).toEqual(['Opening the backend', 'Loading the model']);
    expect(await textOf(page, 'why')).toMatch(/^cpu, as required/);
    const precisions = page.getByLabel('Precision').locator('option');
    expect(await precisions.allTextContents()).toEqual(['float32', 'float16']);
    // No backend of this browser has it: Chromium's software GPU lacks shader-f16.
    expect(await precisions.nth(1).isDisabled()).toBe(true);
    expect(await page.locator('#precision-lack').isVisible()).toBe(true);
    await page.close();
  });

  test('the backend is switched at run time; the text stays, what runs is cancelled, the reason follows', async () => {
    const page = await open(site.url);
    await done(page);
    const text = page.getByLabel('Text to read');
    await text.fill('A long and moving film about a ferry. '.repeat(600));
    await page.getByRole('button', { name: 'Read it both ways' }).click();
    await status(page, /4096 tokens/);
    // Short, for the GPUs of this browser are computed by the CPU.
    await text.fill('A warm film.');
    const backend = page.getByLabel('Backend', { exact: true });
    for (const [name, device] of [
      ['webgpu', /swiftshader/i],
      ['webgl', /WebGL2 through gpu.js, .*SwiftShader/],
      ['cpu', /threads?, WASM/],
    ] as const) {
      const said = await runs(page, () => backend.selectOption(name));
      expect(said).toContain('Loading the model');
      expect(await textOf(page, 'why')).toMatch(new RegExp(`^${name}, as required, without measuring: `));
      expect(await textOf(page, 'why')).toMatch(device);
      await expectAnswers(page, 'positive');
      expect(await text.inputValue()).toBe('A warm film.');
    }
    await runs(page, () => backend.selectOption('the fastest here'));
    expect(await textOf(page, 'why')).toMatch(/^cpu, the fastest here: /);
    await page.close();
  });

  test('backends are measured on the first visit, and known on the next', async () => {
    const page = await open('about:blank');
    await page.addInitScript(() => {
      // Without the service worker, for what it answers can't be added to.
      Object.defineProperty(navigator, 'serviceWorker', { value: undefined });
    });
    await inEngine(page, countDevices);
    await page.goto(site.url);
    await done(page);
    const devices = () => page.workers()[0]!.evaluate(() => (globalThis as unknown as { devices: number }).devices);
    expect(await devices()).toBe(1);
    const why = await textOf(page, 'why');
    await page.reload();
    await done(page);
    expect(await devices()).toBe(0);
    expect(await textOf(page, 'why')).toBe(why);
    await page.close();
  });

  test('keys are explored by head and by token', async () => {
    const page = await open(site.url);
    await done(page);
    const chosen = await textOf(page, 'chosen');
    // 64 in the mean over the heads, and in this one.
    expect(chosen).toMatch(/^“.+” chose 64 keys: /);
    expect(await page.locator('#tokens .key').count()).toBeGreaterThanOrEqual(63);
    await page.getByRole('button', { name: 'Layer 3, head 2' }).click();
    expect(await textOf(page, 'matrix-title')).toBe('Layer 3, head 2: who looks at whom');
    expect(await textOf(page, 'chosen')).not.toBe(chosen);
    await page.locator('#tokens span').nth(20).click();
    expect(await textOf(page, 'token-label')).toMatch(/^Token 21 of 900/);
    await page.locator('#matrix').click({ position: { x: 10, y: 1 } });
    expect(await textOf(page, 'token-label')).toMatch(/^Token \d of 900/);
    await page.close();
  });

  test('a short text, and one that is longer than the model takes', async () => {
    const page = await open(site.url);
    await done(page);
    await runs(page, () => page.getByRole('button', { name: 'One line' }).click());
    await expectAnswers(page, 'positive');
    const text = page.getByLabel('Text to read');
    await text.fill('Good.');
    await runs(page, () => page.getByRole('button', { name: 'Read it both ways' }).click());
    expect(await textOf(page, 'verdict')).toMatch(/both ran dense/);
    expect(await textOf(page, 'keys-empty')).toMatch(/every token sees every other/);
    await text.fill('A dull film. '.repeat(2000));
    await page.locator('#notice').filter({ hasText: 'The model takes 4096 tokens; the end' }).waitFor();
    await text.fill('');
    await page.getByRole('button', { name: 'Read it both ways' }).click();
    await page.locator('#notice').filter({ hasText: 'There is no text yet' }).waitFor();
    await page.close();
  });

  test('a model’s files that are chosen take the place of the shipped one', async () => {
    const page = await open(site.url);
    await done(page);
    const files = Object.entries(modelFiles).map(([name, url]) => ({
      name,
      mimeType: 'application/octet-stream',
      buffer: readFileSync(url),
    }));
    await runs(page, () => page.locator('#file').setInputFiles(files));
    expect(await textOf(page, 'model')).toMatch(/^your model: 4 layers of 4 heads/);
    await expectAnswers(page, 'positive');
    await page.close();
  });

  test('a model’s folder that is dragged onto the page does so too', async () => {
    const page = await open(site.url);
    await done(page);
    await runs(page, () => dragOnto(page, '#drop', fileURLToPath(modelUrl)));
    expect(await textOf(page, 'model')).toMatch(/^your model: 4 layers of 4 heads/);
    await expectAnswers(page, 'positive');
    await page.close();
  });

  test('the development server serves it as well', async () => {
    const server = await createServer({ root, logLevel: 'error', server: { host: '127.0.0.1', port: 0 } });
    await server.listen();
    try {
      const page = await open(server.resolvedUrls!.local[0]!);
      await done(page);
      await expectAnswers(page, 'positive');
      expect(await textOf(page, 'why')).toMatch(/native \(it needs Node; .*\); cuda \(not installed\)/);
      await page.close();
    } finally {
      await server.close();
    }
  });
});

/** A drag from outside the browser, as the mouse makes it: only the browser itself can make one with a folder in it. */
async function dragOnto(page: Page, selector: string, path: string): Promise<void> {
  await page.locator(selector).scrollIntoViewIfNeeded();
  const { x, y } = (await page.locator(selector).boundingBox())!;
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  const browser = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await browser.send('Input.dispatchDragEvent', { type, x: x + 10, y: y + 10, data });
  }
  await browser.detach();
}
