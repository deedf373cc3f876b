// Vite without any configuration, built and from the development server.

import { isolation } from '@flashmla/browser-testing';
import { createServer } from 'vite';
import { expect, test } from 'vitest';
import { expectClassified } from '../support/classified.ts';
import { describeBundled } from '../support/describe-bundled.ts';

describeBundled('vite', { installer: 'npm', built: 'dist' }, ({ project, classify }) => {
  test('the development server serves it as well', async () => {
    const root = project().folder;
    const server = await createServer({ root, logLevel: 'warn', server: { host: '127.0.0.1', headers: isolation } });
    await server.listen();
    const site = { url: server.resolvedUrls!.local[0]!, close: () => server.close() };
    const { result, cores } = await classify(site, 'cpu');
    expectClassified(result, 'cpu');
    expect(result.device.threads).toBe(cores);
  });
});
