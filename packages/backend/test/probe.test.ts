import { describe, expect, it } from 'vitest';
import { probeBackends } from '../src/index.ts';
import { probe } from '../src/probe.ts';
import { unusable } from '../src/unusable.ts';
import { entry } from './fakes.ts';

describe('probeBackends', () => {
  it('reports all five, also those whose package is not there', async () => {
    const reports = await probeBackends();
    expect(reports.map(({ name }) => name)).toEqual(['cpu', 'native', 'cuda', 'webgpu', 'webgl']);
    expect(reports.find(({ name }) => name === 'cuda')).toEqual({
      name: 'cuda',
      installed: false,
      available: false,
      reason: 'not installed: npm i @flashmla/kernels-cuda',
    });
    expect(reports.find(({ name }) => name === 'cpu')!.installed).toBe(true);
  });

  it('passes on what a provider finds', async () => {
    const found = { available: true, reason: 'runs', device: 'GPU 0', features: ['f16'], limits: { memoryBytes: 8 } };
    const { report } = await probe(entry('cuda', { probe: async () => found }));
    expect(report).toEqual({ name: 'cuda', installed: true, ...found });
  });

  it('turns a probe that fails into a reason', async () => {
    const { report } = await probe(entry('cuda', { probe: () => Promise.reject(new Error('no device node')) }));
    expect(report).toEqual({
      name: 'cuda',
      installed: true,
      available: false,
      reason: 'its probe failed: no device node',
    });
  });
});

describe('a package that gives no provider', () => {
  const name = '@flashmla/kernels-webgpu';

  it.each([
    ['Node', `Cannot find package '${name}' imported from /app/node_modules/@flashmla/backend/dist/index.js`],
    ['webpack', `Cannot find module '${name}'`],
    ['Vite', `Could not resolve "${name}" imported by "@flashmla/backend". Is it installed?`],
    ['Chromium', `Failed to resolve module specifier '${name}'`],
    ['Firefox', `The specifier “${name}” was a bare specifier, but was not remapped to anything.`],
    ['Safari', `Module name, '${name}' does not resolve to a valid URL.`],
    ['Deno', `Import "${name}" not a dependency and not in import map`],
  ])('is not installed, as %s says it', (_runtime, message) => {
    expect(unusable(name, new Error(message))).toEqual({ installed: false, reason: `not installed: npm i ${name}` });
  });

  it.each([
    `Cannot find module '/app/node_modules/${name}/dist/index.js' imported from /app/index.js`,
    `Cannot find package 'webgpu' imported from /app/node_modules/${name}/dist/index.js`,
    `Failed to resolve entry for package "${name}". The package may have incorrect main/module/exports.`,
    'dlopen failed: libvulkan.so.1',
  ])('is installed, but broken: %s', (message) => {
    const reason = `installed, but importing it failed: ${message}`;
    expect(unusable(name, new Error(message))).toEqual({ installed: true, reason });
  });
});
