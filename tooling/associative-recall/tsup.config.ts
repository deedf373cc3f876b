import { defineConfig } from 'tsup';
import { library } from '../build/tsup.ts';

export default defineConfig(library({ main: 'src/main.ts' }, { platform: 'node' }));
