import { defineConfig, type Options } from 'tsup';
import { library } from '../../tooling/build/tsup.ts';

const names = [
  'linear',
  'gradients',
  'training',
  'training-memory',
  'growth',
  'memory',
  'event-loop',
  'gate-error',
  'learning',
  'long-documents',
  'webgpu-attention',
  'webgpu-layer',
  'cuda',
  'check',
  'chart',
  'cuda-start',
];
const entry = Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]));
const node = library(entry, { splitting: true, platform: 'node' });

// What runs in a page is bundled, but for the peer, which finds its WebAssembly by its own address.
const page = library(
  { 'webgpu-page': 'src/webgpu-page.ts' },
  { clean: false, noExternal: [/^@flashmla\//, 'ml-matrix'], external: ['onnxruntime-web/webgpu'] },
);

export default defineConfig((options): Options[] => [node(options), page(options)]);
