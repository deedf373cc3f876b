// Tensors: a shape, a dtype and somewhere to find the elements, row-major and contiguous.
// A HostTensor wraps a TypedArray; a DeviceTensor names memory that a backend owns.

import type { Backend } from './backend.ts';
import { arrayOf, byteSize, type DType, dtypeOf, type Quantization, type TypedArray } from './dtype.ts';
import { FlashMLAError } from './errors.ts';
import { checkShape, elementCount, formatShape } from './shape.ts';
import type { ByteRange } from './storage.ts';

export interface Tensor extends Disposable {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** The elements, row-major. Waits for the work that writes them; float16 and bfloat16 come as bit patterns. */
  data(): Promise<TypedArray>;
  /** Gives the memory back now. Disposing twice is harmless; using a disposed tensor is an error. */
  dispose(): void;
}

/** A tensor in ordinary JavaScript memory. It shares the array it was made from. */
export class HostTensor implements Tensor {
  readonly array: TypedArray;
  readonly shape: readonly number[];
  readonly dtype: DType;

  constructor(array: TypedArray, shape: readonly number[], dtype: DType) {
    this.array = array;
    this.shape = shape;
    this.dtype = dtype;
  }

  async data(): Promise<TypedArray> {
    return this.array;
  }

  dispose(): void {}

  [Symbol.dispose](): void {}
}

/** A tensor in a backend's memory. Backends subclass it with what they need to find the bytes. */
export abstract class DeviceTensor implements Tensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** What the elements were quantized to at upload; only `linear` of the same quantization reads them then. */
  readonly quantization: Quantization | undefined;
  /** What stands for the memory that it lies in, which it has in common with the views of its rows. */
  readonly storage: object = this;
  /** Where in it the elements begin. */
  readonly byteOffset: number = 0;
  abstract readonly backend: Backend;
  #disposed = false;

  constructor(shape: readonly number[], dtype: DType, quantization?: Quantization) {
    checkShape(shape);
    this.shape = [...shape];
    this.dtype = dtype;
    this.quantization = quantization;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Bytes of the elements. */
  get byteLength(): number {
    return elementCount(this.shape) * byteSize(this.dtype);
  }

  /** The bytes of `storage` that the elements lie in. */
  get range(): ByteRange {
    return { from: this.byteOffset, to: this.byteOffset + this.byteLength };
  }

  data(): Promise<TypedArray> {
    return this.backend.read(this);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.backend.free(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A host tensor over `data`, which is not copied.
 *
 * @param shape its product must be the number of elements
 * @param dtype what the elements are; needed only for float16, bfloat16 (bit patterns in a Uint16Array) and bool
 */
export function tensor(data: TypedArray, shape: readonly number[], dtype: DType = dtypeOf(data)): HostTensor {
  checkShape(shape);
  if (!ArrayBuffer.isView(data)) {
    throw new FlashMLAError(
      'invalid-argument',
      '[tensor] the data are no TypedArray; give the elements in one, e.g. Float32Array.from(numbers).',
    );
  }
  if (!(data instanceof arrayOf(dtype))) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] ${dtype} elements live in a ${arrayOf(dtype).name}, but a ${data.constructor.name} was given; convert it first.`,
    );
  }
  if (data.length !== elementCount(shape)) {
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] ${data.length} elements given for shape ${formatShape(shape)}, which holds ${elementCount(shape)}; make them agree.`,
    );
  }
  return new HostTensor(data, [...shape], dtype);
}
