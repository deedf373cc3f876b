// A fresh project outside the repository: files as a user has them, and the packed packages installed from their tarballs.
// What else it asks for, bundlers above all, is linked from here: the lock file says which versions, and nothing large is
// fetched again.

import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { pnpm, shell } from './shell.ts';

export interface Project {
  readonly folder: string;
  /** Runs a command line in the project's folder. */
  run(command: string): Promise<{ stdout: string; stderr: string }>;
  /** The JSON that a command line prints. */
  json(command: string): Promise<unknown>;
  remove(): Promise<void>;
}

const installers = {
  npm: 'npm install --ignore-scripts --prefer-offline --no-audit --no-fund',
  pnpm: `${pnpm} install --ignore-scripts --prefer-offline`,
};
export type Installer = keyof typeof installers;

/** Makes a project of the folders `templates` of projects/, and installs what its package.json lists. */
export async function freshProject(templates: string[], installer: Installer = 'npm'): Promise<Project> {
  // The real path, so that paths that tools print can be compared.
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'flashmla-project-')));
  const project: Project = {
    folder,
    run: (command) => shell(command, folder),
    json: async (command) => JSON.parse((await shell(command, folder)).stdout),
    remove: () => rm(folder, { recursive: true }),
  };
  try {
    for (const name of templates) {
      await cp(new URL(`../projects/${name}/`, import.meta.url), folder, { recursive: true });
    }
    const file = join(folder, 'package.json');
    const { dependencies, devDependencies, ...manifest } = JSON.parse(await readFile(file, 'utf8'));
    const wanted = Object.keys({ ...dependencies, ...devDependencies });
    const isOurs = (one: string) => one in inject('tarballs');
    await writeFile(file, JSON.stringify({ ...manifest, ...fromTarballs(wanted.filter(isOurs)) }, null, 2));
    await project.run(installers[installer]);
    for (const name of wanted.filter((one) => !isOurs(one))) await link(name, join(folder, 'node_modules'));
  } catch (error) {
    await project.remove();
    throw error;
  }
  return project;
}

/** What is not published yet comes from tarballs, both where the project asks for it and where a package does. */
function fromTarballs(names: string[]): object {
  const overrides = Object.fromEntries(
    Object.entries(inject('tarballs')).map(([name, path]) => [name, `file:${path}`]),
  );
  return {
    dependencies: Object.fromEntries(names.map((name) => [name, overrides[name]])),
    overrides,
    pnpm: { overrides },
  };
}

/** Links the package itself, not pnpm's starters: they set NODE_PATH, where esbuild would find this workspace's packages. */
async function link(name: string, nodeModules: string): Promise<void> {
  const original = await realpath(fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url)));
  const { bin = {} } = JSON.parse(await readFile(join(original, 'package.json'), 'utf8'));
  const scripts: Record<string, string> = typeof bin === 'string' ? { [name]: bin } : bin;
  const links = [
    { at: join(nodeModules, name), to: original },
    ...Object.entries(scripts).map(([command, script]) => ({
      at: join(nodeModules, '.bin', command),
      to: join(original, script),
    })),
  ];
  for (const { at, to } of links) {
    await mkdir(dirname(at), { recursive: true });
    await symlink(to, at);
  }
}
