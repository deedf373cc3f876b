import { defineConfig } from 'tsup';
import { library } from '../../tooling/build/tsup.ts';

// Shared code lies in a chunk of its own: both entries then speak of the same reference backend.
export default defineConfig(
  library({ index: 'src/index.ts', required: 'src/required.ts', vitest: 'src/vitest.ts' }, { splitting: true }),
);
