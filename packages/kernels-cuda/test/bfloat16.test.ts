// The bfloat16 kernels. Ops have no such dtype yet; so the cases in float16 are run with these kernels instead, on inputs that
// are rounded to bfloat16, and held to the same rule: at most twice as wrong as a naive computation.

import { type Case, conformanceCases } from '@flashmla/conformance';
import {
  bfloat16ToFloat32,
  bfloat16ToNumber,
  byteSize,
  elementCount,
  float32ToBfloat16,
  floatDTypeOf,
  inputSpecs,
  type NumberArray,
  numberToBfloat16,
  outputSpecs,
  reference,
  type TensorSpec,
  type TypedArray,
} from '@flashmla/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { planOf } from '../src/kernels/index.ts';
import { runPlan } from './support/run-plan.ts';
import { describeOnShim, shim } from './support/shim.ts';
import { large } from './support/traits.ts';

/** Of the cases in float16, each so many-th. */
const stride = 3;
const isHalf = ({ dtype }: TensorSpec) => dtype === 'float16';
const round = (value: number) => bfloat16ToNumber(numberToBfloat16(value));
const bytesOf = (array: TypedArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describeOnShim('bfloat16 kernels on the CPU', () => {
  beforeAll(() => void shim(), 300_000);
  const cases = conformanceCases().filter(
    ({ problem, mayRefuse }) => floatDTypeOf(problem) === 'float16' && !mayRefuse,
  );
  for (const testCase of cases.filter((_, at) => at % stride === 0)) {
    test(testCase.name.replace('float16', 'bfloat16'), () => run(testCase), 60_000);
  }
  describe('the cases', () => {
    test('are of every op that has half precision', () => {
      const ops = (of: readonly Case[]) => [...new Set(of.map(({ problem }) => problem.op))];
      expect(ops(cases.filter((_, at) => at % stride === 0))).toEqual(ops(cases));
    });
  });
});

function run({ problem, inputs: make }: Case): void {
  const inputs = make();
  const addresses = new Map<string, bigint>();
  const held: [address: bigint, byteLength: number][] = [];
  const place = (name: string, byteLength: number) => {
    const address = shim().allocate(byteLength);
    held.push([address, byteLength]);
    addresses.set(name, address);
    return address;
  };
  for (const [name, spec] of Object.entries(inputSpecs(problem))) {
    let bytes = bytesOf(inputs[name]!);
    if (isHalf(spec)) {
      const bits = float32ToBfloat16(inputs[name] as Float32Array);
      inputs[name] = bfloat16ToFloat32(bits);
      bytes = bytesOf(bits);
    }
    shim().write(place(name, bytes.byteLength), bytes);
  }
  const specs = Object.entries(outputSpecs(problem));
  for (const [name, { shape, dtype }] of specs) place(name, elementCount(shape) * byteSize(dtype));

  const plan = planOf(problem, large);
  const steps = plan.steps.map((step) => ({ ...step, kernel: step.kernel.replace('_f16', '_bf16') }));
  runPlan(shim(), { ...plan, steps }, addresses);
  const [expected, naive] = [reference(problem, inputs), reference(problem, inputs, round)];
  for (const [name, spec] of specs) {
    const actual = readOutput(addresses.get(name)!, spec);
    compareErrors(name, actual, expected[name]!, naive[name]!);
  }
  for (const [address, byteLength] of held) shim().free(address, byteLength);
}

function readOutput(address: bigint, { shape, dtype }: TensorSpec): NumberArray {
  const count = elementCount(shape);
  const array = { float16: new Uint16Array(count), float32: new Float32Array(count), int32: new Int32Array(count) }[
    dtype as string
  ];
  const read = array ?? new Uint8Array(count);
  shim().read(address, bytesOf(read));
  return read instanceof Uint16Array ? bfloat16ToFloat32(read) : read;
}

/** All elements together at most twice as wrong as the naive ones, or a unit in bfloat16's last place; NaNs in place. */
function compareErrors(name: string, actual: NumberArray, expected: NumberArray, naive: NumberArray): void {
  const finite = Array.from(expected.keys()).filter((i) => Number.isFinite(expected[i]));
  const others = Array.from(expected.keys()).filter((i) => !Number.isFinite(expected[i]));
  expect(others.map((i) => actual[i])).toEqual(others.map((i) => expected[i]));
  const norm = (of: (i: number) => number) => Math.sqrt(finite.reduce((sum, i) => sum + of(i) ** 2, 0));
  const allowed = 2 * norm((i) => naive[i]! - expected[i]!) + 2 ** -8 * norm((i) => expected[i]!) + 1e-6;
  expect(
    norm((i) => actual[i]! - expected[i]!),
    name,
  ).toBeLessThanOrEqual(allowed);
}
