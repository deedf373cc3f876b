// What this engine can do, found by trying.

/** Smallest module that uses f32x4.relaxed_madd. */
const RELAXED_MADD = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2,
  253, 133, 2, 11,
]);
/** Smallest module whose `dot(a, b)` is the first lane of i32x4.relaxed_dot_i8x16_i7x16_add_s(i8x16.splat(a), i8x16.splat(b), 0). */
const RELAXED_DOT = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 100, 111, 116, 0, 0, 10, 22, 1,
  20, 0, 32, 0, 253, 15, 32, 1, 253, 15, 65, 0, 253, 17, 253, 147, 2, 253, 27, 0, 11,
]);
/** Smallest module that uses i32x4.splat. */
const SIMD128 = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 17, 11,
]);

export const hasSimd = (): boolean => WebAssembly.validate(SIMD128);
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(RELAXED_MADD);

/**
 * What relaxed SIMD's dot product makes of a second operand of eight bits, where seven are what it is sure of; assumes
 * relaxed SIMD. WebAssembly lets each engine choose, once and for all: 'unsigned' is AVX-VNNI, 'signed' NEON and AVX-VNNI-INT8,
 * undefined what saturates on the way, as CPUs and engines without an instruction for it do.
 */
export function relaxedDot(): 'signed' | 'unsigned' | undefined {
  const { dot } = new WebAssembly.Instance(new WebAssembly.Module(RELAXED_DOT)).exports as {
    dot(a: number, b: number): number;
  };
  const product = dot(127, 255);
  return product === 4 * 127 * 255 ? 'unsigned' : product === 4 * 127 * -1 ? 'signed' : undefined;
}

/** Browsers take SharedArrayBuffer away from pages that are not cross-origin isolated. */
export const hasSharedMemory = (): boolean =>
  typeof SharedArrayBuffer !== 'undefined' && globalThis.crossOriginIsolated !== false;

/**
 * Whether this engine is as new as V8 13.5: Float16Array came with it. Its code for SIMD is better by then: a register tile
 * that V8 12.9 runs a tenth slower than a smaller one, V8 13.6 runs a fifth faster (the figures are in assembly/micro.ts).
 * Can go, with the smaller tile, when Node 22 does, in April 2027.
 */
export const hasNewCompiler = (): boolean => 'Float16Array' in globalThis;
