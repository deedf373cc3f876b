// Compiles assembly/ to the three WASM builds that src/provider.ts chooses from: SIMD128, relaxed SIMD, and one for engines
// without shared memory. At -O0: Binaryen's optimiser reorders the loads of the inner loops, which costs V8 a fifth of
// their speed (the figures are in assembly/micro.ts).

import { mkdir } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

const common = [
  ...['assembly/index.ts', '--runtime', 'stub', '--noAssert', '--optimizeLevel', '0', '--enable', 'simd'],
  ...['--importMemory', '--initialMemory', '2', '--maximumMemory', '65536', '--noColors'],
  // "exports a function with parameters of a reference type": there are none, addresses are numbers here.
  ...['--disableWarning', '235'],
];
const shared = ['--sharedMemory', '--enable', 'threads'];
const builds = {
  'kernels.simd.wasm': shared,
  'kernels.relaxed.wasm': [...shared, '--enable', 'relaxed-simd', '--use', 'RELAXED=1'],
  'kernels.single.wasm': [],
};

process.chdir(import.meta.dirname);
await mkdir('dist', { recursive: true });
for (const [file, options] of Object.entries(builds)) {
  const { error, stderr } = await asc.main([...common, ...options, '--outFile', `dist/${file}`]);
  if (error) {
    console.error(stderr.toString());
    process.exit(1);
  }
}
