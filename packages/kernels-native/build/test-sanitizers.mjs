// Builds the addon with sanitizers and runs the conformance suite on it: addresses and undefined behaviour together, then
// data races. Node itself is not instrumented, so the sanitizer's library is loaded before it. Linux, with GCC. It takes some
// minutes, and is not part of .ci/run.

import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const compiler = process.env.CXX ?? 'g++';
const root = resolve(import.meta.dirname, '..');
const vitest = fileURLToPath(new URL('vitest.mjs', import.meta.resolve('vitest/package.json')));
const runs = [
  // Node frees little at its end. What node_api allocates is V8's.
  { sanitizers: 'address,undefined', library: 'libasan.so', env: { ASAN_OPTIONS: 'detect_leaks=0' } },
  // V8's own threads pass things on in ways that are not seen.
  {
    sanitizers: 'thread',
    library: 'libtsan.so',
    env: { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1:halt_on_error=1' },
  },
];

function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}

for (const { sanitizers, library, env } of runs) {
  const file = `dist-sanitized/${sanitizers}.node`;
  console.log(`kernels-native with -fsanitize=${sanitizers}`);
  run(process.execPath, [
    'build/build-addon.mjs',
    `${process.platform}-${process.arch}`,
    file,
    `--sanitize=${sanitizers}`,
  ]);
  const preload = spawnSync(compiler, [`-print-file-name=${library}`])
    .stdout.toString()
    .trim();
  run(process.execPath, [vitest, 'run', 'test/conformance.test.ts'], {
    ...env,
    LD_PRELOAD: preload,
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    FLASHMLA_NATIVE_ADDON: resolve(root, file),
    FLASHMLA_REQUIRE: 'native',
  });
}
