// The roofline of a device (Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785): no op takes less time than
// its FLOPs at the peak rate, nor less than its bytes at the bandwidth.
//
// Both rates are measured with this library's own kernels on large inputs: a square `linear`, and `layer-norm` with a
// residual over more memory than caches hold. So they say what these kernels reach here at their best. What the vendor
// gives as the device's peak may be more.

import {
  type Backend,
  type Cost,
  costOf,
  type DeviceTensor,
  elementCount,
  execute,
  FlashMLAError,
  type HostTensor,
  inputSpecs,
  type Problem,
  randomSource,
  randomUniform,
  type Tensors,
  tensor,
} from '@flashmla/tensor';
import { measured } from './measured.ts';

export interface Roofline {
  /** A multiply-add counts 2. */
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** The least time that `cost` takes under a roofline. */
export function rooflineMs({ flops, bytes }: Cost, { flopsPerSecond, bytesPerSecond }: Roofline): number {
  return 1000 * Math.max(flops / flopsPerSecond, bytes / bytesPerSecond);
}

/** A span this long is hardly longer for what starts and ends an op, or for a clock that tells the time in steps. */
const enoughMs = 20;
const mostOps = 64;
const spans = 5;
/** Sides of the square product, until one takes a span by itself. */
const sides = [512, 1024, 2048, 4096];
/** Rows of 1024 floats: three tensors of 64 MiB, and less where they don't fit. */
const rows = [16384, 8192, 4096];
const modelDim = 1024;

/**
 * The roofline of the backend's device: the best of a few spans, measured once per device (see `measured`). About a second,
 * more on a slow device, and up to 192 MiB of its memory. Not inside `profile`, which it uses.
 *
 * @param options.fresh measure now, whatever is kept, and keep nothing: for a share that is to hold on a busy machine too
 * @throws FlashMLAError 'unsupported' on a backend that has no memory for, or does not do, the smallest sizes
 */
export function measureRoofline(backend: Backend, { fresh = false }: { fresh?: boolean } = {}): Promise<Roofline> {
  if (fresh) return takeRoofline(backend);
  const key = `roofline: linear of ${sides.join()}, layer-norm of ${rows.join()} × ${modelDim}, best of ${spans}`;
  return measured(backend, key, () => takeRoofline(backend), isRoofline);
}

async function takeRoofline(backend: Backend): Promise<Roofline> {
  let flopsPerSecond = 0;
  for (const side of sides) {
    const size = { rows: side, inFeatures: side, outFeatures: side };
    const ran = await ratesOf(backend, { op: 'linear', ...size, bias: false, activation: 'none' });
    flopsPerSecond = Math.max(flopsPerSecond, ran?.flopsPerSecond ?? 0);
    if (!ran || ran.ms >= enoughMs) break;
  }
  let bytesPerSecond = 0;
  for (const count of rows) {
    const size = { rows: count, modelDim };
    const ran = await ratesOf(backend, { op: 'layer-norm', ...size, epsilon: 1e-5, residual: true });
    bytesPerSecond = ran?.bytesPerSecond ?? 0;
    if (ran) break;
  }
  if (flopsPerSecond > 0 && bytesPerSecond > 0) return { flopsPerSecond, bytesPerSecond };
  throw new FlashMLAError(
    'unsupported',
    `[backend] '${backend.name}' has no memory for the smallest inputs that a roofline is measured with; give it more.`,
  );
}

interface Rates extends Roofline {
  /** Of one op. */
  readonly ms: number;
}

/** What the best of a few spans reaches; undefined where the device can't do the problem, or has no memory for it. */
async function ratesOf(backend: Backend, problem: Problem): Promise<Rates | undefined> {
  if (!backend.supports(problem).supported) return undefined;
  const inputs: Record<string, DeviceTensor> = {};
  try {
    for (const [name, { shape }] of Object.entries(inputSpecs(problem))) {
      const linearWeight = problem.op === 'linear' && name === 'weight';
      inputs[name] = backend.upload(noise(shape), linearWeight ? { purpose: 'linear-weight' } : {});
    }
    const ms = await fastestMs(backend, problem, inputs);
    const { flops, bytes } = costOf(problem);
    return { ms, flopsPerSecond: (1000 * flops) / ms, bytesPerSecond: (1000 * bytes) / ms };
  } catch (error) {
    if (error instanceof FlashMLAError && error.code === 'out-of-memory') return undefined;
    throw error;
  } finally {
    for (const input of Object.values(inputs)) input.dispose();
  }
}

/** The time of one op among as many as take long enough together, in the best of a few spans. */
async function fastestMs(backend: Backend, problem: Problem, inputs: Tensors): Promise<number> {
  const spanMs = async (count: number) => {
    const { ops } = await backend.profile(async () => {
      for (let i = 0; i < count; i++) {
        const outputs = await execute(backend, problem, inputs);
        for (const output of Object.values(outputs)) output.dispose();
      }
    });
    return ops.at(-1)!.endMs - ops[0]!.startMs;
  };
  // The first one compiles, wakes threads, touches memory.
  await spanMs(1);
  let count = 1;
  let bestMs = await spanMs(count);
  while (bestMs < enoughMs && count < mostOps) {
    count *= 2;
    bestMs = await spanMs(count);
  }
  for (let span = 1; span < spans; span++) bestMs = Math.min(bestMs, await spanMs(count));
  return bestMs / count;
}

/** Random floats, the same few over and over: what they are changes no time, and drawing millions takes some. */
function noise(shape: readonly number[]): HostTensor {
  const values = randomUniform(4096, randomSource(1));
  const array = new Float32Array(elementCount(shape));
  for (let at = 0; at < array.length; at += values.length) array.set(values.subarray(0, array.length - at), at);
  return tensor(array, shape);
}

function isRoofline(value: unknown): value is Roofline {
  const { flopsPerSecond, bytesPerSecond } = (value ?? {}) as Partial<Roofline>;
  return [flopsPerSecond, bytesPerSecond].every((rate) => typeof rate === 'number' && rate > 0);
}
