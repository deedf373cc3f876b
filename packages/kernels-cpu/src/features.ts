// What this engine can do, found by trying.

/** Smallest module that uses f32x4.relaxed_madd. */
const RELAXED_MADD = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  8,
  1,
  96,
  3,
  123,
  123,
  123,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  13,
  1,
  11,
  0,
  32,
  0,
  32,
  1,
  32,
  2,
  253,
  133,
  2,
  11,
);
/** Smallest module that uses i32x4.splat. */
const SIMD128 = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  8,
  1,
  6,
  0,
  65,
  0,
  253,
  17,
  11,
);

export const hasSimd = (): boolean => WebAssembly.validate(SIMD128);
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(RELAXED_MADD);

/** Browsers take SharedArrayBuffer away from pages that are not cross-origin isolated. */
export const hasSharedMemory = (): boolean =>
  typeof SharedArrayBuffer !== 'undefined' && globalThis.crossOriginIsolated !== false;

/**
 * Whether this engine is as new as V8 13.5: Float16Array came with it. Its code for SIMD is better by then: a register tile
 * that V8 12.9 runs a tenth slower than a smaller one, V8 13.6 runs a fifth faster (the figures are in assembly/micro.ts).
 * Can go, with the smaller tile, when Node 22 does, in April 2027.
 */
export const hasNewCompiler = (): boolean => 'Float16Array' in globalThis;
