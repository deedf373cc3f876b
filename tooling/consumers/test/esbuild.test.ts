// esbuild, which doesn't follow `new URL(…, import.meta.url)`: the build script copies what the READMEs name. Installed by
// pnpm, whose node_modules lets a package import only what it declares.

import { describeBundled } from '../support/describe-bundled.ts';

describeBundled('esbuild', { installer: 'pnpm', built: 'public' });
