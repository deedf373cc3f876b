// A checkpoint as a file: what an interrupted command leaves and goes on from.

import { readFile } from 'node:fs/promises';
import type { CheckpointStore } from '@flashmla/gating';
import { writeWhole } from './write-whole.ts';

export function checkpointIn(file: string): CheckpointStore {
  return {
    async load() {
      try {
        return new Uint8Array(await readFile(file));
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw cause;
      }
    },
    save: (bytes) => writeWhole(file, bytes),
  };
}
