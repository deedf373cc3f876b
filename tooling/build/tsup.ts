// The one build recipe of the packages: ESM, nothing bundled that is a dependency. `tsup` makes the JavaScript, `tsup
// --dts-only` the types beside it: they take several times as long, and nothing that only runs needs them.
import type { Options } from 'tsup';

/** tsup options for a package whose entries are `entry`; a package adds only what is its own. */
export function library(entry: Record<string, string>, own: Options = {}): Options {
  return {
    entry,
    format: ['esm'],
    target: 'es2022',
    platform: 'neutral',
    external: [/^node:/],
    sourcemap: true,
    clean: true,
    splitting: false,
    treeshake: true,
    ...own,
  };
}
