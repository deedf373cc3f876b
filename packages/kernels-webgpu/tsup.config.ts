import { defineConfig } from 'tsup';
import { library } from '../../tooling/build/tsup.ts';

// The WGSL files become strings of the script: no bundler has to find them.
export default defineConfig(library({ index: 'src/index.ts' }, { loader: { '.wgsl': 'text' } }));
