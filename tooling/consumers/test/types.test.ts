// The types as a consumer's compiler reads them, every declaration file included (skipLibCheck is off): in a page that a
// bundler builds, without Node's types; in Node with the compiler's default libraries; in Node without the DOM, which the
// types of the GPU backends need.

import { afterAll, beforeAll, describe, test } from 'vitest';
import { freshProject, type Project } from '../support/project.ts';

describe('the types', () => {
  let project: Project;
  beforeAll(async () => {
    project = await freshProject(['types']);
  });
  afterAll(() => project?.remove());

  test.each([
    ['in a page, moduleResolution bundler', 'bundler'],
    ['in Node, moduleResolution nodenext', 'nodenext'],
    ['in Node without the DOM', 'no-dom'],
  ])('%s', async (_, config) => {
    await project.run(`npx tsc --project tsconfig.${config}.json`);
  });
});
