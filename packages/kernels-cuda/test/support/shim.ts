// The kernels on the CPU (shim/): compiled when their sources changed, loaded through koffi. Needs g++, or the compiler that
// CXX names; where there is none the suites of this folder are skipped and say so, unless FLASHMLA_REQUIRE names cuda-shim.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isRequired } from '@flashmla/conformance/required';
import koffi from 'koffi';
import { describe, test } from 'vitest';
import type { KernelStep, Word } from '../../src/plan.ts';

const root = new URL('../../', import.meta.url);
const compiler = process.env.CXX ?? 'g++';
const options =
  '-std=c++17 -O2 -fPIC -shared -fvisibility-inlines-hidden -fno-strict-aliasing -Wall -Wextra -Werror -Wno-unknown-pragmas'.split(
    ' ',
  );

/** What an entry point takes, as the compiler saw it. */
export interface Entry {
  readonly threads: number;
  /** A letter an argument: p a pointer, i an integer, f a float32. */
  readonly signature: string;
}

export interface Shim {
  readonly kernels: ReadonlyMap<string, Entry>;
  /** Device memory; its end lies before a page that can't be touched. */
  allocate(byteLength: number): bigint;
  free(address: bigint, byteLength: number): void;
  write(address: bigint, bytes: Uint8Array): void;
  read(address: bigint, bytes: Uint8Array): void;
  /** Runs a step to its end; raises what the shim found wrong. `addresses` are the bindings', 0 for one not there. */
  launch(step: KernelStep, addresses: readonly bigint[]): void;
}

/** Why the shim can't be built here; undefined where it can. */
function missing(): string | undefined {
  const { error } = spawnSync(compiler, ['--version']);
  return error ? `there is no ${compiler} on the PATH to compile it with; install g++ or set CXX` : undefined;
}

export function describeOnShim(name: string, body: () => void): void {
  const reason = missing();
  if (reason === undefined) {
    describe(name, body);
  } else if (isRequired('cuda-shim')) {
    test(name, () => {
      throw new Error(`FLASHMLA_REQUIRE names cuda-shim, and it can't be built: ${reason}`);
    });
  } else {
    test.skip(`${name}: not run: ${reason}`, () => {});
  }
}

/** The library of all kernels, or of other `sources`, compiled unless there is one of these very files. */
export function compile(
  sources = ['library', 'libcuda', 'libcublasLt'].map((name) => fileURLToPath(new URL(`shim/${name}.cpp`, root))),
): string {
  const hash = createHash('sha256').update([compiler, ...options].join(' '));
  for (const source of sources) hash.update(readFileSync(source));
  for (const folder of ['kernels', 'shim']) {
    for (const file of readdirSync(new URL(folder, root)).sort())
      hash.update(readFileSync(new URL(`${folder}/${file}`, root)));
  }
  const cache = fileURLToPath(new URL('node_modules/.cache/cuda-shim/', root));
  const library = `${cache}${hash.digest('hex').slice(0, 16)}.so`;
  if (existsSync(library)) return library;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${library}.${process.pid}`;
  const { status, stderr } = spawnSync(compiler, [...options, '-o', unfinished, ...sources], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${compiler} does not compile the shim:\n${stderr}`);
  renameSync(unfinished, library);
  return library;
}

let loaded: { shim?: Shim; error?: unknown } | undefined;

/** Compiles and loads it once; what went wrong then goes wrong each time. */
export function shim(): Shim {
  if (!loaded) {
    try {
      loaded = { shim: load(compile()) };
    } catch (error) {
      loaded = { error };
    }
  }
  if (!loaded.shim) throw loaded.error;
  return loaded.shim;
}

/** A library that `compile` made. */
export function load(path: string): Shim {
  const library = koffi.load(path);
  const failure = library.func('const char *flashmla_shim_error()');
  const list = library.func('const char *flashmla_shim_kernels()');
  const launch = library.func('int flashmla_shim_launch(const char *, const uint *, const uint *, uint, void *)');
  const allocate = library.func('uintptr_t flashmla_shim_allocate(size_t)');
  const free = library.func('void flashmla_shim_free(uintptr_t, size_t)');
  const write = library.func('void flashmla_shim_copy(uintptr_t, const void *, size_t)');
  const read = library.func('void flashmla_shim_copy(_Out_ uint8_t *, uintptr_t, size_t)');

  const kernels = new Map<string, Entry>();
  for (const line of (list() as string).trim().split('\n')) {
    const [name, threads, signature = ''] = line.split(' ');
    kernels.set(name!, { threads: Number(threads), signature });
  }
  return {
    kernels,
    allocate(byteLength) {
      const address = BigInt(allocate(byteLength));
      if (address === 0n) throw new Error(`no memory for ${byteLength} bytes`);
      return address;
    },
    free: (address, byteLength) => void free(address, byteLength),
    write: (address, bytes) => void write(address, bytes, bytes.byteLength),
    read: (address, bytes) => void read(bytes, address, bytes.byteLength),
    launch({ kernel, grid, block, sharedBytes, words }, addresses) {
      // Each argument in a cell of eight bytes, and a pointer to each cell. A buffer of its own is never moved.
      const cells = new BigUint64Array(new ArrayBuffer(8 * (addresses.length + words.length)));
      cells.set([...addresses, ...words.map(bitsOf)]);
      const pointers = cells.map((_, at) => koffi.address(cells) + BigInt(8 * at));
      const status = launch(kernel, Uint32Array.from(grid), Uint32Array.from(block), sharedBytes, pointers);
      if (status !== 0) throw new Error(`[shim] ${failure()}`);
    },
  };
}

function bitsOf(word: Word): bigint {
  const view = new DataView(new ArrayBuffer(4));
  if (typeof word === 'number') view.setInt32(0, word, true);
  else view.setFloat32(0, word.float, true);
  return BigInt(view.getUint32(0, true));
}
