// Probing and opening: which of the three WASM builds this engine runs, with how many threads, and why.

import {
  type BackendProbe,
  type BackendProvider,
  describeValue,
  FlashMLAError,
  type OpenOptions,
} from '@flashmla/tensor';
import { CpuBackend } from './cpu-backend.ts';
import type { Executor } from './executor.ts';
import { hasNewCompiler, hasRelaxedSimd, hasSharedMemory, hasSimd, relaxedDot } from './features.ts';
import { type Int8Units, type RowTile, twoPerUnit } from './plan.ts';
import { availableCores, engine, loadModule } from './platform.ts';
import { PAGE_BYTES } from './protocol.ts';
import { SharedExecutor } from './shared-executor.ts';
import { SingleExecutor } from './single-executor.ts';

export interface CpuOpenOptions extends OpenOptions {
  /**
   * Where the WASM builds lie, when a bundler can't find them by itself: a folder, ending in '/'. In browsers it may be
   * relative to the page.
   */
  wasmUrl?: string | URL;
  /** The worker script, likewise. */
  workerUrl?: string | URL;
  /** false: don't use relaxed SIMD even where the engine has it (its fused multiply-adds round differently). */
  relaxedSimd?: boolean;
  /** Rows that `linear` multiplies at once, 4 or 6; default: what this engine runs faster. The results are the same. */
  rowTile?: RowTile;
  /** false: run on one worker without shared memory, as where SharedArrayBuffer is missing. */
  sharedMemory?: boolean;
}

export interface CpuBackendProvider extends BackendProvider {
  open(options?: CpuOpenOptions): Promise<CpuBackend>;
}

/** 16 MiB to start with. */
const INITIAL_PAGES = 256;
/** 4 GiB is all that 32-bit WASM can address; engines short of address space get less. */
const MAXIMUM_PAGES = [65536, 32768, 16384];

/** A worker takes several MB and a moment to start; more of them than any machine has cores is a slip. */
const MAXIMUM_THREADS = 256;

const UNSHARED = 'no SharedArrayBuffer; serve the page cross-origin isolated to use all cores';

interface Setup {
  readonly threads: number;
  readonly shared: boolean;
  readonly relaxed: boolean;
  readonly description: string;
  readonly features: string[];
}

function setup({ threads, relaxedSimd = true, sharedMemory = true }: CpuOpenOptions): Setup {
  if (threads !== undefined && (!Number.isSafeInteger(threads) || threads < 1 || threads > MAXIMUM_THREADS)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[kernels-cpu] threads is ${threads}; expected a whole number from 1 to ${MAXIMUM_THREADS}. Leave it out for the ` +
        `${availableCores()} that this machine has.`,
    );
  }
  const shared = sharedMemory && hasSharedMemory();
  const relaxed = shared && relaxedSimd && hasRelaxedSimd();
  const count = shared ? (threads ?? Math.min(availableCores(), MAXIMUM_THREADS)) : 1;
  const simd = relaxed ? 'WASM SIMD128 + relaxed SIMD' : 'WASM SIMD128';
  const note = shared ? '' : ` (one thread: ${sharedMemory ? UNSHARED : 'shared memory was turned off'})`;
  return {
    threads: count,
    shared,
    relaxed,
    description: `${count} ${count === 1 ? 'thread' : 'threads'}, ${simd}, ${engine()}${note}`,
    features: ['simd128', ...(relaxed ? ['relaxed-simd'] : []), ...(shared ? ['threads'] : []), 'int8'],
  };
}

export const provider: CpuBackendProvider = {
  name: 'cpu',

  async probe(): Promise<BackendProbe> {
    if (!hasSimd()) return { available: false, reason: 'this engine has no WebAssembly SIMD; update it' };
    const { description, features, threads } = setup({});
    return {
      available: true,
      reason: description,
      device: description,
      features,
      limits: { threads, memoryBytes: MAXIMUM_PAGES[0]! * PAGE_BYTES, maxHeadDim: 256 },
    };
  },

  async open(options: CpuOpenOptions = {}): Promise<CpuBackend> {
    if (!hasSimd()) {
      throw new FlashMLAError(
        'backend-unavailable',
        '[kernels-cpu] this engine has no WebAssembly SIMD; use Node ≥ 20.19 or a current browser.',
      );
    }
    const { threads, shared, relaxed, description, features } = setup(options);
    const file = shared ? (relaxed ? 'kernels.relaxed.wasm' : 'kernels.simd.wasm') : 'kernels.single.wasm';
    const module = await loadModule(wasmUrl(file, options.wasmUrl));
    options.signal?.throwIfAborted();
    const workerUrl = options.workerUrl === undefined ? undefined : absolute(options.workerUrl, 'workerUrl');
    const executor = await openExecutor(module, shared, threads, workerUrl);
    const device = {
      description,
      features,
      limits: { memoryBytes: executor.memoryLimitBytes, maxHeadDim: 256 },
      threads,
    };
    // Without fused multiply-adds a product takes a register of its own, and six rows do not fit.
    const rowTile = options.rowTile ?? (relaxed && hasNewCompiler() ? 6 : 4);
    return new CpuBackend(executor, device, { rowTile, int8: relaxed ? int8Units() : twoPerUnit });
  },
};

/** Four int8 at once where relaxed SIMD multiplies all eight bits, else two. */
function int8Units(): Int8Units {
  const dot = relaxedDot();
  return dot ? { perUnit: 4, offset: dot === 'unsigned' ? 128 : 0 } : twoPerUnit;
}

/** Each URL in a form that bundlers recognise as an asset. */
function wasmUrl(file: string, folder: string | URL | undefined): URL {
  if (folder !== undefined) return new URL(file, absolute(folder, 'wasmUrl'));
  if (file === 'kernels.relaxed.wasm') return new URL('./kernels.relaxed.wasm', import.meta.url);
  if (file === 'kernels.simd.wasm') return new URL('./kernels.simd.wasm', import.meta.url);
  return new URL('./kernels.single.wasm', import.meta.url);
}

/** Not relative to this module: where it lies in the end is the bundler's choice. */
function absolute(url: string | URL, option: string): URL {
  try {
    return new URL(url, globalThis.location?.href);
  } catch (cause) {
    throw new FlashMLAError(
      'invalid-argument',
      `[kernels-cpu] ${option} is ${describeValue(url)}; expected a URL, in browsers also one relative to the page.`,
      { cause },
    );
  }
}

function openExecutor(
  module: WebAssembly.Module,
  shared: boolean,
  threads: number,
  workerUrl: URL | undefined,
): Promise<Executor> {
  if (!shared) {
    return SingleExecutor.open(module, { initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES[0]! }, workerUrl);
  }
  const pages = { initial: INITIAL_PAGES, maximum: 0 };
  for (const maximum of MAXIMUM_PAGES) {
    try {
      const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared: true });
      return SharedExecutor.open(module, memory, { ...pages, maximum }, threads, workerUrl);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  throw new FlashMLAError(
    'backend-unavailable',
    '[kernels-cpu] the engine would not reserve 1 GiB of address space for shared memory; free some and try again.',
  );
}
