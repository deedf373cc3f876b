// Head dimensions that a backend's kernels don't take. Zeros beyond headDim change neither q·k nor what is kept of the
// output, so a refused attention may run padded.

import {
  arrayOf,
  type Backend,
  type DType,
  FlashMLAError,
  type HostTensor,
  type Plan,
  type ProblemOf,
  type TypedArray,
  tensor,
} from '@flashmla/tensor';

export type AttentionProblem = ProblemOf<'dense-attention'> | ProblemOf<'sparse-attention'>;

/** What kernels commonly ask headDim to be a multiple of, smallest first: a SIMD register, half-precision tiles. */
const multiples = [4, 8, 16];

/** The plan of `problem`. Raises FlashMLAError 'unsupported' with the backend's reason and advice when it refuses. */
export function planOf(backend: Backend, problem: AttentionProblem): Plan {
  const support = backend.supports(problem);
  if (!support.supported) throw refusal(backend, support);
  return support;
}

/** The problem's headDim, or the smallest padded one that the backend takes. Raises as planOf when none will do. */
export function supportedHeadDim(backend: Backend, problem: AttentionProblem): number {
  const { headDim } = problem;
  const support = backend.supports(problem);
  if (support.supported) return headDim;
  const padded = multiples
    .map((multiple) => Math.ceil(headDim / multiple) * multiple)
    .find((size) => backend.supports({ ...problem, headDim: size }).supported);
  if (padded === undefined) throw refusal(backend, support);
  return padded;
}

function refusal({ name }: Backend, { reason, advice }: { reason: string; advice: string }): FlashMLAError {
  return new FlashMLAError('unsupported', `[attention] ${name} refuses: ${reason}; ${advice}.`);
}

/** `source` [..., headDim] with zeros up to `headDim`. */
export function padHeadDim(source: HostTensor, headDim: number): HostTensor {
  const { array, shape, dtype } = source;
  return tensor(resizeRows(array, shape.at(-1)!, headDim, dtype), [...shape.slice(0, -1), headDim], dtype);
}

/** Rows of `from` elements cut or zero-filled to `to` elements. */
export function resizeRows(source: TypedArray, from: number, to: number, dtype: DType): TypedArray {
  const rows = source.length / from;
  const result = new (arrayOf(dtype))(rows * to) as Float32Array;
  const width = Math.min(from, to);
  for (let row = 0; row < rows; row++) {
    result.set((source as Float32Array).subarray(row * from, row * from + width), row * to);
  }
  return result;
}
