// Plain Node: an app of ES modules, and the command line.

import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { isRequired } from '@flashmla/conformance/required';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Classified, expectClassified } from '../support/classified.ts';
import { freshProject, type Project } from '../support/project.ts';

describe('an app in Node', () => {
  let project: Project;
  beforeAll(async () => {
    project = await freshProject(['classify', 'node']);
  });
  afterAll(() => project?.remove());

  const classify = async (backend: string) => (await project.json(`node src/main.js ${backend}`)) as Classified;

  test('it has copies of the packages, and no links into this repository', async () => {
    const attention = join(project.folder, 'node_modules/@flashmla/attention');
    expect(await realpath(attention)).toBe(attention);
  });

  test('it runs on the CPU', async () => {
    const result = await classify('cpu');
    expectClassified(result, 'cpu');
    expect(result.device.description).toContain(`Node.js ${process.versions.node}`);
  });

  test.for(['native', 'webgpu'] as const)('it runs on %s', async (wanted, { skip }) => {
    const { backends } = (await project.json('npx flashmla doctor --json')) as Doctor;
    const { device, reason } = backends.find(({ name }) => name === wanted)!;
    if (device === undefined) {
      if (isRequired(wanted)) throw new Error(`FLASHMLA_REQUIRE names ${wanted}, and there is none: ${reason}`);
      skip(reason);
    }
    const result = await classify(wanted);
    expectClassified(result, wanted);
    expect(result.device.description).toBe(device);
  });

  test('the command line runs the shipped model', async () => {
    const { backend, results } = (await project.json(
      'npx flashmla run --model node_modules/@flashmla/model-sentiment/model --text "A warm and funny film." --backend cpu --json',
    )) as Run;
    expect({ backend, label: results[0]?.label }).toEqual({ backend: 'cpu', label: 'positive' });
  });
});

interface Doctor {
  readonly backends: { name: string; reason: string; device?: string }[];
}

interface Run {
  readonly backend: string;
  readonly results: { label: string }[];
}
