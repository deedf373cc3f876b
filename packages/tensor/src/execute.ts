// Running one op on a backend: the checks every backend makes, and the short way to run a problem.

import type { Backend, DispatchOptions, Refusal, Tensors } from './backend.ts';
import type { Precision } from './dtype.ts';
import { FlashMLAError } from './errors.ts';
import { floatDTypeOf, inPlaceInputs, inputSpecs, outputSpecs, type Problem, precisionOf } from './ops/index.ts';
import type { TensorSpec, TensorSpecs } from './ops/op.ts';
import { elementCount, formatShape } from './shape.ts';
import { overlap } from './storage.ts';
import type { DeviceTensor } from './tensor.ts';

/**
 * Raises unless `inputs` and `outputs` are what the problem's op declares. A tensor may carry any shape of the right
 * number of elements: [batch, tokens, dim] serves as [rows, dim]. An output shares no memory with an input, but where the op
 * works in place: there it is that input's, all of it.
 */
export function checkBindings(backend: Backend, problem: Problem, inputs: Tensors, outputs: Tensors): void {
  const [read, written] = [inputSpecs(problem), outputSpecs(problem)];
  checkGroup(backend, problem, 'input', read, inputs);
  checkGroup(backend, problem, 'output', written, outputs);
  const inPlace = inPlaceInputs(problem);
  for (const output of Object.keys(written)) {
    const overwritten = Object.keys(read).find(
      (input) =>
        share(inputs[input]!, outputs[output]!) &&
        !(inPlace[output]?.includes(input) && inputs[input]!.byteOffset === outputs[output]!.byteOffset),
    );
    if (overwritten === undefined) continue;
    throw new FlashMLAError(
      'invalid-argument',
      `[tensor] ${problem.op}: output '${output}' is bound to memory of input '${overwritten}', which is read while it ` +
        `is written; expected ${inPlace[output] ? `that of ${inPlace[output].join(' or ')}, or ` : ''}one of its own.`,
    );
  }
}

const share = (a: DeviceTensor, b: DeviceTensor) => a.storage === b.storage && overlap(a.range, b.range);

function checkGroup(backend: Backend, problem: Problem, kind: string, specs: TensorSpecs, given: Tensors): void {
  for (const [name, spec] of Object.entries(specs)) {
    const wrong = mismatch(backend, given[name], spec);
    if (wrong) throw new FlashMLAError('invalid-argument', `[tensor] ${problem.op}: ${kind} '${name}' ${wrong}`);
  }
}

function mismatch(backend: Backend, given: DeviceTensor | undefined, spec: TensorSpec): string | undefined {
  if (!given) return `is missing; expected ${spec.dtype} ${formatShape(spec.shape)}.`;
  if (given.backend !== backend) return `belongs to another backend; upload it to '${backend.name}' first.`;
  if (given.disposed) return 'was disposed; keep it until the last op that uses it is dispatched.';
  if (given.dtype !== spec.dtype || elementCount(given.shape) !== elementCount(spec.shape)) {
    return `is ${given.dtype} ${formatShape(given.shape)}; expected ${spec.dtype} with the elements of ${formatShape(spec.shape)}.`;
  }
  if (given.quantization !== spec.quantization) {
    const words = (quantization = 'none') => `quantization ${quantization}`;
    return `was uploaded with ${words(given.quantization)}; expected ${words(spec.quantization)}.`;
  }
  return undefined;
}

/**
 * Raises unless `given` lives on `backend`, as a tensor that was not disposed.
 *
 * @param source who asks, for the message: '[kernels-cpu]'
 */
export function checkOwned(source: string, backend: Backend, given: DeviceTensor): void {
  if (given.backend !== backend) {
    throw new FlashMLAError(
      'invalid-argument',
      `${source} the tensor belongs to another backend; upload it to '${backend.name}' first.`,
    );
  }
  if (!given.disposed) return;
  throw new FlashMLAError('disposed', `${source} a tensor ${formatShape(given.shape)} was used after dispose().`);
}

/** Which backends compute in a precision, for messages to those whose backend does not. */
export const whoComputesIn: Readonly<Record<Precision, string>> = {
  float32: 'all',
  float16: 'WebGPU on most GPUs, CUDA',
  bfloat16: 'native kernels in Node, CUDA',
  int8: 'native kernels in Node, WASM',
};

/**
 * What a backend that computes in `supported` only says of a problem in another precision.
 *
 * @param what computes, for the reason: 'WASM kernels'
 */
export function refusesDType(
  what: string,
  problem: Problem,
  supported: readonly Precision[] = ['float32'],
): Refusal | undefined {
  const lacking = [floatDTypeOf(problem), precisionOf(problem)].find((precision) => !supported.includes(precision));
  if (lacking === undefined) return undefined;
  return {
    reason: `${what} compute in ${supported.join(' and ')}, not in ${lacking}`,
    advice: `use float32, or a backend whose device.features name '${lacking}' (${whoComputesIn[lacking]})`,
  };
}

/**
 * What a backend says of an op that is not in its list of kernels: those of training may be missing.
 *
 * @param what computes, for the reason: 'WASM kernels'
 */
export function refusesOp(what: string, problem: Problem, kernels: object): Refusal | undefined {
  if (Object.hasOwn(kernels, problem.op)) return undefined;
  return {
    reason: `${what} do not compute ${problem.op}`,
    advice: "train on the backend 'native' or 'cpu', which have every op",
  };
}

/**
 * Prepares `problem`, allocates its outputs and dispatches it. The outputs belong to the caller.
 *
 * @param options its `outputs`: those that are there already, by name
 */
export async function execute(
  backend: Backend,
  problem: Problem,
  inputs: Tensors,
  { outputs: given = {}, ...options }: DispatchOptions & { outputs?: Tensors } = {},
): Promise<Record<string, DeviceTensor>> {
  const program = await backend.prepare(problem);
  const made: Record<string, DeviceTensor> = {};
  try {
    for (const [name, spec] of Object.entries(outputSpecs(problem))) {
      if (!given[name]) made[name] = backend.allocate(spec.shape, spec.dtype);
    }
    const outputs = { ...made, ...given };
    backend.dispatch(program, inputs, outputs, options);
    return outputs;
  } catch (error) {
    for (const tensor of Object.values(made)) tensor.dispose();
    throw error;
  }
}
