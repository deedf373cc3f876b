import { defineConfig } from 'tsup';
import { library } from '../../tooling/build/tsup.ts';

// The workloads are a part of this repository only, and of the command line.
const noExternal = ['@flashmla/workloads'];
export default defineConfig(
  library(
    { cli: 'src/cli.ts', 'peer-process': 'src/bench/peers/peer-process.ts' },
    { banner: { js: '#!/usr/bin/env node' }, noExternal },
  ),
);
