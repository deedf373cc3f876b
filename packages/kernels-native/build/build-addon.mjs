// Builds the addon for a platform: node build-addon.mjs <platform> <file> [--sanitize=address,undefined]
//
// Where there is no compiler for it, it says so and ends well: the package works without, on other backends. It fails instead
// where FLASHMLA_REQUIRE names 'native' and the addon would have run here. What is newer than all it is made of is left alone.

import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { include_dir as nodeApiHeaders } from 'node-api-headers';
import { platforms } from './architectures.mjs';

const [platform, file, ...options] = process.argv.slice(2);
const sanitizers = options.find((option) => option.startsWith('--sanitize='))?.split('=')[1];
const { architectures, compilers, flags } = platforms[platform];
const native = resolve(import.meta.dirname, '../native');

const isHere = platform === `${process.platform}-${process.arch}`;
const works = (compiler) => spawnSync(compiler, ['--version']).status === 0;
const candidates = isHere && process.env.CXX ? [process.env.CXX] : compilers;
const compiler = candidates.find(works);
if (!compiler) {
  const required = isHere && (process.env.FLASHMLA_REQUIRE ?? '').split(',').includes('native');
  console.log(`kernels-native: no addon for ${platform}: there is no ${candidates.join(' or ')}.`);
  process.exit(required ? 1 : 0);
}

const modified = async (path) => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
const folders = [native, import.meta.dirname];
const sources = (
  await Promise.all(folders.map(async (at) => (await readdir(at)).map((name) => join(at, name))))
).flat();
if ((await modified(file)) > Math.max(...(await Promise.all(sources.map(modified))))) process.exit(0);

const common = [
  ...['-std=c++17', '-fPIC', '-fvisibility=hidden', '-fno-rtti', '-pthread', '-I', native, '-isystem', nodeApiHeaders],
  ...['-Wall', '-Wextra', '-Werror'],
  // Vectors are passed to functions that are all inlined, or local to an architecture: no two ABIs meet.
  '-Wno-psabi',
  ...(sanitizers ? ['-O1', '-g', '-fno-omit-frame-pointer', `-fsanitize=${sanitizers}`] : ['-O3', ...flags]),
];
const kernelFlags = [
  ...['-fno-exceptions', '-ffp-contract=fast', '-fno-math-errno'],
  // GCC 12 takes the undefined operand of its own AVX-512 headers for a mistake: GCC bug 105593, mended in 13.
  ...['-Wno-maybe-uninitialized', '-Wno-uninitialized'],
];

const objects = await mkdtemp(join(tmpdir(), 'flashmla-'));
try {
  const units = [
    ...['addon', 'architectures', 'engine'].map((unit) => ({ source: unit, name: unit, flags: [] })),
    ...Object.entries(architectures).map(([name, own]) => ({
      source: 'kernels',
      name: `kernels-${name}`,
      flags: [...kernelFlags, ...own, `-DFLASHMLA_ARCHITECTURE=${name}`],
    })),
  ];
  const run = promisify(execFile);
  const waiting = [...units];
  const compileNext = async () => {
    for (let unit = waiting.pop(); unit; unit = waiting.pop()) {
      const [from, to] = [join(native, `${unit.source}.cpp`), join(objects, `${unit.name}.o`)];
      await run(compiler, [...common, ...unit.flags, '-c', from, '-o', to]);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, compileNext));
  await mkdir(dirname(resolve(file)), { recursive: true });
  await run(compiler, [
    ...['-shared', '-pthread', '-o', file, ...units.map(({ name }) => join(objects, `${name}.o`))],
    // On its own on a stranger's machine: nothing of the compiler's libraries is left to find there.
    ...(sanitizers
      ? [`-fsanitize=${sanitizers}`]
      : ['-static-libstdc++', '-static-libgcc', '-Wl,--exclude-libs,ALL', '-s']),
    ...['-Wl,-z,relro,-z,now', '-Wl,--gc-sections'],
  ]);
} catch (error) {
  console.error(error.stderr ?? error);
  process.exitCode = 1;
} finally {
  await rm(objects, { recursive: true });
}
