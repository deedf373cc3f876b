// What callers hand in, checked at the door, in one wording: the argument's name, what it is, what was expected.

import { type DType, type FloatDType, floatDTypes, isFloatDType } from './dtype.ts';
import { FlashMLAError } from './errors.ts';
import { formatShape } from './shape.ts';
import { DeviceTensor, HostTensor, type Tensor, tensor } from './tensor.ts';

/** A value in a few words: 'undefined', 'a Float32Array', 'the string 'cpu''. */
export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'string') return `the string '${value.length > 40 ? `${value.slice(0, 39)}…` : value}'`;
  if (typeof value !== 'object') return `the ${typeof value} ${String(value)}`;
  const name = value.constructor?.name ?? 'Object';
  return name === 'Object' ? 'a plain object' : `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

/**
 * Raises unless `value` is a tensor.
 *
 * @param source who asks, for the message: '[attention]'
 * @param name the argument's name
 */
export function checkTensor(source: string, name: string, value: unknown): asserts value is Tensor {
  if (value instanceof HostTensor || value instanceof DeviceTensor) return;
  throw new FlashMLAError(
    'invalid-argument',
    `${source} ${name} is ${describeValue(value)}; expected a tensor of this @flashmla/tensor: wrap an array with ` +
      'tensor(data, shape), and install one version of the package only.',
  );
}

/**
 * The dtype of tensors that must be floats of one precision. Raises unless they are.
 *
 * @param source who asks, for the message: '[attention]'
 * @param tensors by their names
 */
export function checkFloats(source: string, tensors: Readonly<Record<string, Tensor>>): FloatDType {
  let first: { name: string; dtype: DType } | undefined;
  for (const [name, given] of Object.entries(tensors)) {
    checkTensor(source, name, given);
    const { dtype } = given;
    first ??= { name, dtype };
    if (isFloatDType(dtype) && dtype === first.dtype) continue;
    const expected = dtype === first.dtype ? floatDTypes.join(' or ') : `${first.dtype} like ${first.name}`;
    throw new FlashMLAError(
      'invalid-argument',
      `${source} ${name} is ${dtype} ${formatShape(given.shape)}; expected ${expected}. Convert it.`,
    );
  }
  return first && isFloatDType(first.dtype) ? first.dtype : 'float32';
}

/** Raises unless `mask` says of each of batch × tokens tokens whether it is present. */
export function checkMask(source: string, name: string, mask: unknown, batch: number, tokens: number): void {
  checkTensor(source, name, mask);
  const { dtype, shape } = mask;
  const typeFits = dtype === 'uint8' || (dtype === 'bool' && mask instanceof HostTensor);
  if (typeFits && shape.length === 2 && shape[0] === batch && shape[1] === tokens) return;
  throw new FlashMLAError(
    'invalid-argument',
    `${source} ${name} is ${dtype} ${formatShape(shape)}; expected uint8 ${formatShape([batch, tokens])}, 1 for a token ` +
      'that is present and 0 for padding. On the host, bool will do too.',
  );
}

/** A mask as ops take it: bool on the host is the same bytes under the name uint8. */
export function asUint8(mask: Tensor): Tensor {
  return mask instanceof HostTensor && mask.dtype === 'bool' ? tensor(mask.array, mask.shape, 'uint8') : mask;
}
