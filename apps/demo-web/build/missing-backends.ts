// Backends that are not installed. @flashmla/backend imports every kernels package dynamically and expects those imports
// to fail; Vite's development server answers 500 for the whole file instead where that file is linked from a workspace.
// Such an import becomes a module that throws what an engine would.

import type { Plugin } from 'vite';

const prefix = '\0missing-backend:';

export function tolerateMissingBackends(): Plugin {
  return {
    name: 'tolerate-missing-backends',
    enforce: 'pre',
    async resolveId(source, importer) {
      if (!source.startsWith('@flashmla/kernels-')) return undefined;
      return (await this.resolve(source, importer, { skipSelf: true })) ?? `${prefix}${source}`;
    },
    load(id) {
      if (!id.startsWith(prefix)) return undefined;
      const name = id.slice(prefix.length);
      const message = JSON.stringify(`Failed to resolve module specifier '${name}'`);
      return `throw new TypeError(${message});\nexport const provider = undefined;\n`;
    },
  };
}
