// The smallest op that checks of the contract run, and how they say what they expect.

import { type Backend, type DeviceTensor, FlashMLAError, type LinearProblem } from '@flashmla/tensor';
import { compare } from './compare.ts';

export const doubling: LinearProblem = {
  op: 'linear',
  rows: 6,
  inFeatures: 4,
  outFeatures: 4,
  bias: false,
  activation: 'none',
};
export const counting = () => Float32Array.from({ length: 24 }, (_, i) => i - 10);
export const twiceIdentity = () => Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2 : 0));

export async function expectDoubled(backend: Backend, output: DeviceTensor, factor = 2): Promise<void> {
  const expected = Float64Array.from(counting(), (value) => factor * value);
  compare('output', (await backend.read(output)) as Float32Array, expected);
}

/** Raises unless `action` raises, or rejects with, a FlashMLAError that says something. */
export async function expectError(what: string, action: () => unknown): Promise<FlashMLAError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof FlashMLAError && /^\[.+\] .{20,}/.test(error.message)) return error;
    throw new Error(`${what} raised ${String(error)}, expected a FlashMLAError that says what to do`);
  }
  throw new Error(`${what} was accepted, expected a FlashMLAError`);
}

export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
}
