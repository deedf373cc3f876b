// Who installs attention and one backend gets those and nothing of the others, neither on the disk nor in a bundle, and
// is told what is not installed.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackendReport } from '@flashmla/backend';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshProject, type Project } from '../support/project.ts';

describe('attention and the CPU backend alone', () => {
  let project: Project;
  beforeAll(async () => {
    project = await freshProject(['minimal']);
  });
  afterAll(() => project?.remove());

  test('nothing else is installed', async () => {
    const lock = JSON.parse(await readFile(join(project.folder, 'package-lock.json'), 'utf8'));
    const installed = Object.keys(lock.packages).map((path) => path.replace('node_modules/', ''));
    const ours = ['attention', 'backend', 'gating', 'kernels-cpu', 'tensor'];
    expect(installed.filter((name) => name.startsWith('@flashmla/')).sort()).toEqual(
      ours.map((name) => `@flashmla/${name}`),
    );
    expect(installed.filter((name) => /gpu|onnx|huggingface|^gl$/.test(name))).toEqual([]);
  });

  test('it computes, and says what is not installed', async () => {
    const { shape, finite, chosen, reports, message } = (await project.json('node src/main.js')) as {
      shape: number[];
      finite: boolean;
      chosen: string;
      reports: BackendReport[];
      message: string;
    };
    expect({ shape, finite, chosen }).toEqual({ shape: [1, 256, 64], finite: true, chosen: 'sparse' });
    expect(reports.filter(({ available }) => available).map(({ name }) => name)).toEqual(['cpu']);
    for (const { name, installed, reason } of reports.filter(({ available }) => !available)) {
      expect({ installed, reason }).toEqual({
        installed: false,
        reason: `not installed: npm i @flashmla/kernels-${name}`,
      });
    }
    expect(message).toMatch(/^\[backend\] 'webgpu' was required .* npm i @flashmla\/kernels-webgpu/);
  });

  test.each(['vite', 'esbuild'])('%s builds it and warns of nothing', async (bundler) => {
    const { stdout, stderr } = await project.run(`npm run ${bundler}`);
    expect(stdout + stderr).not.toMatch(/warn/i);
  });

  test('webpack builds it and warns of the two that browsers could run, until it is told not to', async () => {
    const warnings = async (command: string) => {
      const { stdout } = await project.run(command);
      return [...stdout.matchAll(/^WARNING in .*\n(.*)/gm)].map(([, what]) => what);
    };
    expect(await warnings('npm run webpack')).toEqual([
      expect.stringContaining("Can't resolve '@flashmla/kernels-webgpu'"),
      expect.stringContaining("Can't resolve '@flashmla/kernels-webgl'"),
    ]);
    expect(await warnings('npm run webpack -- --config quiet.webpack.config.js')).toEqual([]);
  });
});
