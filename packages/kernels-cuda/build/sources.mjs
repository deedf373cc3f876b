// What the fatbin is made of: the kernels' sources, the architectures and the options. Its hash stands in the manifest.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const kernels = new URL('../kernels/', import.meta.url);

/** Machine code for these; and PTX of the first, which the driver compiles for what came later. */
export const architectures = ['80', '87', '89', '90a', '100a', '120'];

export const options = ['-std=c++17', '-O3', '--compress-mode=size'];

/** Of every file in kernels/, by name and content, and of how they are compiled. Line ends don't count. */
export function sourceHash() {
  const hash = createHash('sha256').update(JSON.stringify([architectures, options]));
  for (const file of readdirSync(kernels).sort()) {
    hash.update(`\n${file}\n`).update(readFileSync(new URL(file, kernels), 'utf8').replaceAll('\r\n', '\n'));
  }
  return hash.digest('hex');
}
