// Running one case on one backend. It needs nothing but the backend: it works in a test runner and in a browser page.
//
// Beside what the case itself checks: outputs are filled with rubbish first, so that an element never written is seen;
// guard tensors lie before and after each output and must not change; inputs must not change; where the op works in place it
// must give the same bits there; memory in use returns to what it was. What the device does not name among its features must be refused, with reason and advice.

import {
  arrayOf,
  type Backend,
  type DeviceTensor,
  type DType,
  elementCount,
  FlashMLAError,
  floatDTypeOf,
  fromFloat32,
  inPlaceInputs,
  inputSpecs,
  isFloatDType,
  type NumberArray,
  outputSpecs,
  type Plan,
  type Problem,
  type Program,
  precisionOf,
  type Tensors,
  type TypedArray,
  tensor,
  toFloat32,
  type UploadOptions,
} from '@flashmla/tensor';
import type { Case, Inputs } from './case.ts';

export interface RunOptions {
  /** How it is to run; default: as the backend runs it. */
  readonly variant?: string;
  /** The case's inputs, for a case that runs more than once: what is expected of the same ones is computed once. */
  readonly inputs?: Inputs;
}

/** Raises, with what was wrong, unless `backend` does `testCase` right or may refuse it and does that right. */
export async function runCase(
  backend: Backend,
  testCase: Case,
  { variant, inputs = testCase.inputs() }: RunOptions = {},
): Promise<void> {
  const { problem } = testCase;
  const support = backend.supports(problem);
  const lacking = [floatDTypeOf(problem), precisionOf(problem)].find(
    (precision) => precision !== 'float32' && !backend.device.features.includes(precision),
  );
  if (!support.supported) {
    if (!testCase.mayRefuse && !lacking) throw new Error(`refused: ${support.reason} (${support.advice})`);
    return checkRefusal(backend, problem, support);
  }
  if (lacking) throw new Error(`${lacking} is not refused, but device.features do not name it`);
  checkPlan(support);
  const program = await backend.prepare(problem, variant === undefined ? {} : { variant });
  checkPlan(program.plan);

  const usedBefore = backend.memory().usedBytes;
  const bindings = bind(backend, testCase, inputs);
  try {
    let first: Record<string, NumberArray> | undefined;
    for (let run = 0; run < (testCase.runs ?? 1); run++) {
      backend.dispatch(program, bindings.inputs, bindings.outputs);
      const outputs = await readAll(backend, bindings.outputs);
      if (first) compareBits(`run ${run + 1}`, outputs, first);
      first ??= outputs;
    }
    await bindings.checkGuards();
    compareBits('an input was written to:', await readAll(backend, bindings.readable), inputs);
    testCase.check(first ?? {}, inputs);
    await checkInPlace(backend, program, testCase, inputs, first ?? {});
  } finally {
    bindings.dispose();
  }
  await backend.synchronize();
  const { usedBytes } = backend.memory();
  if (usedBytes > usedBefore) throw new Error(`${usedBytes - usedBefore} bytes were not given back`);
}

/** Raises unless the op gives the same bits where outputs overwrite the inputs that it declares they may. */
async function checkInPlace(
  backend: Backend,
  program: Program,
  testCase: Case,
  inputs: Inputs,
  expected: Record<string, NumberArray>,
): Promise<void> {
  const inPlace = Object.entries(inPlaceInputs(testCase.problem));
  const turns = Math.max(0, ...inPlace.map(([, names]) => names.length));
  for (let turn = 0; turn < turns; turn++) {
    const bindings = bind(backend, testCase, inputs);
    try {
      const outputs: Record<string, DeviceTensor> = { ...bindings.outputs };
      for (const [output, names] of inPlace) outputs[output] = bindings.inputs[names[turn % names.length]!]!;
      backend.dispatch(program, bindings.inputs, outputs);
      compareBits('in place,', await readAll(backend, outputs), expected);
    } finally {
      bindings.dispose();
    }
  }
}

function checkPlan({ scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds }: Plan): void {
  if (scratchBytes >= 0 && usefulMultiplyAdds >= 0 && usefulMultiplyAdds <= issuedMultiplyAdds * (1 + 1e-9)) return;
  throw new Error(
    `the plan makes no sense: ${JSON.stringify({ scratchBytes, usefulMultiplyAdds, issuedMultiplyAdds })}`,
  );
}

async function checkRefusal(
  backend: Backend,
  problem: Problem,
  { reason, advice }: { reason: string; advice: string },
): Promise<void> {
  if (!reason?.trim() || !advice?.trim()) throw new Error('refused without a reason or without advice');
  const error = await backend.prepare(problem).then(
    () => undefined,
    (raised: unknown) => raised,
  );
  if (!(error instanceof FlashMLAError)) {
    throw new Error(`prepare of a refused problem must raise a FlashMLAError, but gave ${String(error)}`);
  }
}

const guardByte = 0xa5;
const guardBytes = 64;

interface Bindings {
  readonly inputs: Tensors;
  readonly outputs: Tensors;
  /** The inputs that the backend keeps as they were given. */
  readonly readable: Tensors;
  checkGuards(): Promise<void>;
  dispose(): void;
}

/** Puts a case's tensors on the device: inputs, then outputs full of rubbish between guards. */
function bind(backend: Backend, { problem, linearWeight }: Case, arrays: Inputs): Bindings {
  const held: DeviceTensor[] = [];
  const upload = (
    array: TypedArray,
    shape: readonly number[],
    dtype: DType,
    options: UploadOptions = {},
  ): DeviceTensor => {
    const uploaded = backend.upload(tensor(array, shape, dtype), options);
    held.push(uploaded);
    return uploaded;
  };
  const guards: DeviceTensor[] = [];
  const guard = () => guards.push(upload(new Uint8Array(guardBytes).fill(guardByte), [guardBytes], 'uint8'));

  const inputs: Record<string, DeviceTensor> = {};
  const readable: Record<string, DeviceTensor> = {};
  for (const [name, { shape, dtype, quantization }] of Object.entries(inputSpecs(problem))) {
    const packed = quantization !== undefined || (linearWeight === true && name === 'weight');
    const array = isFloatDType(dtype) ? fromFloat32(arrays[name] as Float32Array, dtype) : arrays[name]!;
    const options: UploadOptions = { purpose: 'linear-weight', ...(quantization && { quantization }) };
    inputs[name] = upload(array, shape, dtype, packed ? options : {});
    if (!packed) readable[name] = inputs[name];
  }
  const outputs: Record<string, DeviceTensor> = {};
  guard();
  for (const [name, { shape, dtype }] of Object.entries(outputSpecs(problem))) {
    outputs[name] = upload(new (arrayOf(dtype))(elementCount(shape)).fill(rubbish(dtype) as never), shape, dtype);
    guard();
  }
  return {
    inputs,
    outputs,
    readable,
    async checkGuards() {
      for (const [i, tensorOfGuard] of guards.entries()) {
        const bytes = (await backend.read(tensorOfGuard)) as Uint8Array;
        const changed = bytes.findIndex((byte) => byte !== guardByte);
        if (changed >= 0) throw new Error(`guard ${i} around the outputs was written to at byte ${changed}`);
      }
    },
    dispose() {
      for (const tensorHeld of held) tensorHeld.dispose();
    },
  };
}

function rubbish(dtype: DType): number {
  if (isFloatDType(dtype)) return fromFloat32(Float32Array.of(-12345.678), dtype)[0]!;
  return dtype === 'int32' ? -77 : 119;
}

/** Half precision widened to float32, which keeps every bit of it. */
async function readAll(backend: Backend, tensors: Tensors): Promise<Record<string, NumberArray>> {
  const arrays: Record<string, NumberArray> = {};
  for (const [name, source] of Object.entries(tensors)) {
    const array = await backend.read(source);
    arrays[name] = isFloatDType(source.dtype) ? toFloat32(array, source.dtype) : (array as NumberArray);
  }
  return arrays;
}

function compareBits(what: string, actual: Record<string, NumberArray>, expected: Record<string, NumberArray>): void {
  for (const [name, array] of Object.entries(actual)) {
    const [a, e] = [bytesOf(array), bytesOf(expected[name]!)];
    let at = 0;
    while (at < a.length && a[at] === e[at]) at++;
    if (at < a.length || a.length !== e.length) {
      const element = Math.floor(at / array.BYTES_PER_ELEMENT);
      throw new Error(
        `${what} '${name}' differs at element ${element}: ${array[element]}, was ${expected[name]![element]}`,
      );
    }
  }
}

const bytesOf = (array: NumberArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
