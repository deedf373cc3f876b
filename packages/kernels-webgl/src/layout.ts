// How tensors lie in textures. Element i is the texel at column i mod width of row ⌊i / width⌋, where the width of all
// textures is one power of two: shaders find a texel by a mask and a shift. A tensor of fewer elements is one row.
//
// float32 and uint8 are one 32-bit float a texel. int32 is two, its upper and its lower 16 bits: a float holds whole
// numbers up to 2^24 only, halves are exact, and their patterns are no NaN that a driver might change.

import { type DType, FlashMLAError, type TypedArray } from '@flashmla/tensor';

export interface TextureSize {
  readonly width: number;
  readonly height: number;
}

/** log₂ of the width of every texture, on a device whose textures are at most `maxTextureSize` wide. */
export const widthBits = (maxTextureSize: number): number => Math.floor(Math.log2(maxTextureSize));

/** Most elements of one tensor. */
export const maxElements = (maxTextureSize: number): number => 2 ** widthBits(maxTextureSize) * maxTextureSize;

/**
 * Columns and rows of a texture of `elements`. At least two rows: gpu.js folds an output of one row into a square, where
 * a mask and a shift would not find its elements.
 */
export function textureSize(elements: number, maxTextureSize: number): TextureSize {
  const width = 2 ** widthBits(maxTextureSize);
  return { width: Math.min(elements, width), height: Math.max(2, Math.ceil(elements / width)) };
}

/** Bytes that a texture of `elements` takes; nothing has none. */
export function textureBytes(elements: number, channels: 1 | 2, maxTextureSize: number): number {
  const { width, height } = textureSize(elements, maxTextureSize);
  return width * height * channels * 4;
}

/** 32-bit floats a texel. */
export function channelsOfDType(dtype: DType): 1 | 2 {
  if (dtype === 'int32') return 2;
  if (dtype === 'float32' || dtype === 'uint8' || dtype === 'bool') return 1;
  throw new FlashMLAError(
    'unsupported',
    `[kernels-webgl] a tensor of ${dtype} was asked for; textures hold float32, int32, uint8 and bool. Convert it first.`,
  );
}

/** The elements as the floats of their texels. */
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

/** The elements from the floats of their texels. */
export function decode(texels: Float32Array, dtype: DType): TypedArray {
  if (dtype === 'float32') return texels;
  if (dtype !== 'int32') return Uint8Array.from(texels);
  return Int32Array.from({ length: texels.length / 2 }, (_, i) => (texels[2 * i]! << 16) | texels[2 * i + 1]!);
}
