import { defineConfig } from 'tsup';
import { library } from '../../tooling/build/tsup.ts';

export default defineConfig(library({ cli: 'src/cli.ts' }, { banner: { js: '#!/usr/bin/env node' } }));
