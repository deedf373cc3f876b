// How tensors lie in textures: four 32-bit floats a texel, one texel after the other. Texel t is at column t mod width of
// row ⌊t / width⌋, where the width of all textures is one power of two: shaders find a texel by a mask and a shift. A
// tensor of fewer texels has one row of them.
//
// An element of float32 or uint8 is one float. One of int32 is two, its upper and its lower 16 bits: a float holds whole
// numbers up to 2^24 only, halves are exact, and their patterns are no NaN that a driver might change.

import { type DType, FlashMLAError, type TypedArray } from '@flashmla/tensor';

export interface TextureSize {
  readonly width: number;
  readonly height: number;
}

/** log₂ of the width of every texture, on a device whose textures are at most `maxTextureSize` wide. */
export const widthBits = (maxTextureSize: number): number => Math.floor(Math.log2(maxTextureSize));

/** Most elements of one tensor of `channels` floats an element. */
export const maxElements = (channels: 1 | 2, maxTextureSize: number): number =>
  (2 ** widthBits(maxTextureSize) * maxTextureSize * 4) / channels;

/**
 * Columns and rows of the texture of `floats`. At least two rows: gpu.js folds an output of one row into a square, where a
 * mask and a shift would not find its texels.
 */
export function textureSize(floats: number, maxTextureSize: number): TextureSize {
  const width = 2 ** widthBits(maxTextureSize);
  const texels = Math.ceil(floats / 4);
  return { width: Math.min(texels, width), height: Math.max(2, Math.ceil(texels / width)) };
}

/** Bytes that the texture of `floats` takes; nothing has none. */
export function textureBytes(floats: number, maxTextureSize: number): number {
  const { width, height } = textureSize(floats, maxTextureSize);
  return width * height * 16;
}

/** 32-bit floats an element. */
export function channelsOfDType(dtype: DType): 1 | 2 {
  if (dtype === 'int32') return 2;
  if (dtype === 'float32' || dtype === 'uint8' || dtype === 'bool') return 1;
  throw new FlashMLAError(
    'unsupported',
    `[kernels-webgl] a tensor of ${dtype} was asked for; textures hold float32, int32, uint8 and bool. Convert it first.`,
  );
}

/** The elements as floats. */
export function encode(array: TypedArray, dtype: DType): Float32Array {
  if (array instanceof Float32Array) return array;
  if (dtype !== 'int32') return Float32Array.from(array as Uint8Array);
  const halves = new Float32Array(2 * array.length);
  for (let i = 0; i < array.length; i++) {
    const value = array[i] as number;
    halves[2 * i] = value >> 16;
    halves[2 * i + 1] = value & 0xffff;
  }
  return halves;
}

/** The elements from their floats. */
export function decode(floats: Float32Array, dtype: DType): TypedArray {
  if (dtype === 'float32') return floats;
  if (dtype !== 'int32') return Uint8Array.from(floats);
  return Int32Array.from({ length: floats.length / 2 }, (_, i) => (floats[2 * i]! << 16) | floats[2 * i + 1]!);
}
