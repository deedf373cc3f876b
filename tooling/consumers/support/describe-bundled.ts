// The app of a bundler: installed, built by its own build script, and opened in Chromium.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeInBrowser, type Site, serve } from '@flashmla/browser-testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Classified, expectClassified } from './classified.ts';
import { freshProject, type Installer, type Project } from './project.ts';

declare global {
  /** What the app leaves for the tests. */
  var classify: (backend: string) => Promise<Classified>;
}

export interface App {
  project(): Project;
  /** Classifies in a page of `site`, which is closed then; `wasm`: the WASM files that the page fetched. */
  classify(site: Site, backend: string): Promise<{ result: Classified; wasm: string[]; cores: number }>;
}

interface Options {
  readonly installer: Installer;
  /** The folder that the build script writes to. */
  readonly built: string;
}

/** @param more tests of this bundler alone */
export function describeBundled(name: string, { installer, built }: Options, more?: (app: App) => void): void {
  describeInBrowser(`an app built by ${name}`, (open) => {
    let project: Project;
    let output: string;
    beforeAll(async () => {
      project = await freshProject(['classify', name], installer);
      const { stdout, stderr } = await project.run(`${installer} run build`);
      output = stdout + stderr;
    });
    afterAll(() => project?.remove());

    const app: App = {
      project: () => project,
      async classify(site, backend) {
        try {
          const page = await open(site.url);
          await page.waitForFunction(() => 'classify' in globalThis);
          const found = await page.evaluate(
            async (chosen) => ({
              result: await classify(chosen),
              fetched: performance.getEntriesByType('resource').map((entry) => entry.name),
              cores: navigator.hardwareConcurrency,
            }),
            backend,
          );
          await page.close();
          return { ...found, wasm: found.fetched.filter((url) => url.endsWith('.wasm')) };
        } finally {
          await site.close();
        }
      },
    };
    const site = (isolated: boolean) => serve(pathToFileURL(`${join(project.folder, built)}/`), { isolated });

    test('the build warns of nothing', () => expect(output).not.toMatch(/warn/i));

    test('an isolated page runs on the CPU, on all cores', async () => {
      const { result, wasm, cores } = await app.classify(await site(true), 'cpu');
      expectClassified(result, 'cpu');
      expect(result.device.threads).toBe(cores);
      expect(wasm).toHaveLength(1);
    });

    test('a page without isolation runs on the CPU, on one thread', async () => {
      const { result, wasm } = await app.classify(await site(false), 'cpu');
      expectClassified(result, 'cpu');
      expect(result.device.threads).toBe(1);
      expect(wasm).toHaveLength(1);
    });

    test.each(['webgpu', 'webgl'])('it runs on %s', async (backend) => {
      const { result, wasm } = await app.classify(await site(false), backend);
      expectClassified(result, backend);
      expect(wasm).toEqual([]);
    });

    more?.(app);
  });
}
