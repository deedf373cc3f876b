import { defineConfig } from 'tsup';
import { library } from '../../tooling/build/tsup.ts';

const names = ['linear', 'growth', 'memory', 'event-loop', 'gate-error'];
const entry = Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]));

export default defineConfig(library(entry, { splitting: true, platform: 'node' }));
