// Tells the built service worker which files there are and which build it belongs to.

import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { Plugin } from 'vite';

const worker = 'service-worker.js';

export function offlineFiles(): Plugin {
  return {
    name: 'offline-files',
    apply: 'build',
    async writeBundle({ dir }) {
      const entries = await readdir(dir!, { recursive: true, withFileTypes: true });
      const files = entries
        .filter((entry) => entry.isFile() && entry.name !== worker)
        .map((entry) => relative(dir!, join(entry.parentPath, entry.name)).split(sep).join('/'))
        .sort();
      const hash = createHash('sha256');
      for (const file of files) hash.update(file).update(await readFile(join(dir!, file)));
      const path = join(dir!, worker);
      const code = (await readFile(path, 'utf8'))
        // With its quotes, whichever the minifier took.
        .replace(/(['"`])__FILES__\1/, JSON.stringify(JSON.stringify(files)))
        .replace('__BUILD__', hash.digest('hex').slice(0, 16));
      await writeFile(path, code);
    },
  };
}
