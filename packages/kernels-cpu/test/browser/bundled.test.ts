// What a user of a bundler gets: an app that Vite builds or serves without configuration finds the WASM files and the
// worker.

import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeInBrowser, isolation, type Site, serve } from '@flashmla/browser-testing';
import { build, createServer } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';

const quiet = { configFile: false, logLevel: 'warn' } as const;
const packages = new URL('../../../', import.meta.url);

describeInBrowser('an app that uses Vite', (open) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flashmla-app-'));
    await cp(new URL('app/', import.meta.url), folder, { recursive: true });
    // Copies, as an installed package is: a link into the workspace would be treated as part of the app.
    for (const name of ['tensor', 'kernels-cpu']) {
      const installed = join(folder, 'node_modules/@flashmla', name);
      for (const part of ['package.json', 'dist']) {
        await cp(new URL(`${name}/${part}`, packages), join(installed, part), { recursive: true });
      }
    }
    await build({ ...quiet, root: folder });
  });
  afterAll(() => rm(folder, { recursive: true }));

  const run = async (site: Site) => {
    try {
      const page = await open(site.url);
      return await page.evaluate(async () => ({ ...(await result), cores: navigator.hardwareConcurrency }));
    } finally {
      await site.close();
    }
  };
  const built = (isolated: boolean) => serve(pathToFileURL(`${folder}/dist/`), { isolated });

  test('built, it carries the three WASM builds as files', async () => {
    const files = await readdir(join(folder, 'dist/assets'));
    expect(files.filter((file) => file.endsWith('.wasm'))).toHaveLength(3);
  });

  test('built, it runs on all cores in an isolated page', async () => {
    const { output, device, cores } = await run(await built(true));
    expect(output).toEqual([6, -2]);
    expect(device.features).toContain('threads');
    expect(device.threads).toBe(cores);
  });

  test('built, it runs on one thread in a page without isolation', async () => {
    const { output, device } = await run(await built(false));
    expect(output).toEqual([6, -2]);
    expect(device.threads).toBe(1);
  });

  test('it runs on all cores from the development server', async () => {
    const server = await createServer({ ...quiet, root: folder, server: { host: '127.0.0.1', headers: isolation } });
    await server.listen();
    const { output, device, cores } = await run({ url: server.resolvedUrls!.local[0]!, close: () => server.close() });
    expect(output).toEqual([6, -2]);
    expect(device.threads).toBe(cores);
  });
});
