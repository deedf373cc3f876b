// What a user of a bundler gets: an app that Vite builds, minified, or serves without configuration runs its kernels, and
// says what to install where gpu.js is missing. Shaders are text, so nothing that a minifier renames is in them.

import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeInBrowser, type Site, serve } from '@flashmla/browser-testing';
import { build, createServer } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';

const quiet = { configFile: false, logLevel: 'error' } as const;
const packages = new URL('../../../', import.meta.url);
const gpuJs = new URL('../../node_modules/gpu.js/', import.meta.url);

/** An app with copies of the packages, as they are when installed: a link into the workspace would be a part of it. */
async function makeApp(withGpuJs: boolean): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'flashmla-app-'));
  await cp(new URL('app/', import.meta.url), folder, { recursive: true });
  for (const name of ['tensor', 'kernels-webgl']) {
    for (const part of ['package.json', 'dist']) {
      const installed = join(folder, 'node_modules/@flashmla', name, part);
      await cp(new URL(`${name}/${part}`, packages), installed, { recursive: true });
    }
  }
  for (const part of withGpuJs ? ['package.json', 'dist/gpu-browser.js'] : []) {
    await cp(new URL(part, gpuJs), join(folder, 'node_modules/gpu.js', part), { recursive: true });
  }
  return folder;
}

describeInBrowser('an app that uses Vite', (open) => {
  let folder: string;
  let bare: string;
  beforeAll(async () => {
    [folder, bare] = await Promise.all([makeApp(true), makeApp(false)]);
    await build({ ...quiet, root: folder });
    await build({ ...quiet, root: bare });
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await rm(bare, { recursive: true });
  });

  const run = async (site: Site) => {
    try {
      const page = await open(site.url);
      return await page.evaluate(() => result);
    } finally {
      await site.close();
    }
  };
  const expected = { output: [6, -2], device: expect.stringMatching(/^WebGL2 through gpu\.js, /) };

  test('built, it computes', async () => {
    expect(await run(await serve(pathToFileURL(`${folder}/dist/`), { isolated: false }))).toEqual(expected);
  });

  test('built without gpu.js, it says what to install', async () => {
    expect(await run(await serve(pathToFileURL(`${bare}/dist/`), { isolated: false }))).toEqual({
      error: expect.stringContaining('run `npm i gpu.js`'),
    });
  });

  test('it computes from the development server', async () => {
    const server = await createServer({ ...quiet, root: folder, server: { host: '127.0.0.1' } });
    await server.listen();
    expect(await run({ url: server.resolvedUrls!.local[0]!, close: () => server.close() })).toEqual(expected);
  });
});
