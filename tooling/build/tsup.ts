// The one build recipe of the packages: ESM, nothing bundled that is a dependency. `tsup` makes the JavaScript, `tsup
// --env.types` the types beside it: they take several times as long, and nothing that only runs needs them.
import type { Options } from 'tsup';

/** Tensors and gates can be declared with `using`; a project that targets ES2022 does not know its types by itself. */
const declarations = { only: true, banner: '/// <reference lib="esnext.disposable" />' };

/** tsup options for a package whose entries are `entry`; a package adds only what is its own. */
export function library(entry: Record<string, string>, own: Options = {}): (commandLine: Options) => Options {
  return ({ env }) => ({
    entry,
    format: ['esm'],
    target: 'es2022',
    platform: 'neutral',
    external: [/^node:/],
    clean: true,
    splitting: false,
    treeshake: true,
    ...own,
    ...(env?.types && { dts: declarations, clean: false }),
  });
}
