// Packs every published package before any test: the tarballs that would be uploaded, with workspace ranges resolved.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { pnpm, shell } from './shell.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The tarball of each published package, by the package's name. */
    tarballs: Record<string, string>;
  }
}

const workspace = fileURLToPath(new URL('../../../', import.meta.url));

export default async function pack(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'flashmla-tarballs-'));
  const remove = () => rm(folder, { recursive: true });
  try {
    const command = `${pnpm} --recursive --filter "./packages/*" pack --json --pack-destination "${folder}"`;
    const packed: { name: string; filename: string }[] = JSON.parse((await shell(command, workspace)).stdout);
    project.provide('tarballs', Object.fromEntries(packed.map(({ name, filename }) => [name, filename])));
  } catch (error) {
    await remove();
    throw error;
  }
  return remove;
}
