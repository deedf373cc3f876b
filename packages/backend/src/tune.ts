// Which variant a backend should run problems of a shape class by: all are timed, once per device.

import {
  type Backend,
  breather,
  type DeviceTensor,
  inputSpecs,
  type OpName,
  OutOfMemoryError,
  outputSpecs,
  type Problem,
  type Program,
  shapeClass,
  tensor,
} from '@flashmla/tensor';
import { type Measurements, measured } from './measured.ts';
import { tuningInputs } from './tuning-inputs.ts';

export interface VariantTime {
  readonly variant: string;
  /** Median of its runs; null when the device can't run it. */
  readonly ms: number | null;
}

export interface Tuning {
  readonly op: OpName;
  readonly shapeClass: string;
  /** The default first. */
  readonly times: readonly VariantTime[];
  /** What problems of this class run by from now on. */
  readonly chosen: string;
}

export interface TuneOptions {
  /** Stops it between two runs; what was measured by then is kept. */
  signal?: AbortSignal;
  /** Called before each shape class and at the end. */
  progress?: (progress: { done: number; total: number }) => void;
}

const keyPrefix = 'variants ';
/** What replaces the default must be this much faster: what is within the noise changes nothing. */
const margin = 0.95;
const rounds = 5;
/** A timed sample repeats a short run, for this long or so often at most. */
const sampleMs = 4;
const mostRepeats = 32;
/** A run shorter than this is tried so many times more before it is compared at all. */
const shortMs = 50;
const trials = 2;
/** What takes this many times as long as the best is not timed again. */
const hopeless = 3;

/**
 * Times every variant of the problems' shape classes that are not known yet on this device, and tells the backend which to
 * prefer. It runs beside other work, which may make it wrong but which it doesn't disturb: it has tensors of its own, and
 * lets others in between two runs.
 *
 * Results are kept as `measured` keeps them; `selectBackend` hands them to the backend that it opens.
 *
 * @returns one for each class that has several variants, in the order of the problems; a class that the device can't hold
 * or doesn't support is left out
 * @throws the signal's reason when it aborts
 */
export async function tune(
  backend: Backend,
  problems: Iterable<Problem>,
  { signal, progress }: TuneOptions = {},
): Promise<Tuning[]> {
  const classes = new Map<string, Problem>();
  for (const problem of problems) {
    const name = shapeClass(problem);
    if (classes.has(name) || !backend.supports(problem).supported || backend.variants(problem).length < 2) continue;
    classes.set(name, problem);
  }
  const tunings: Tuning[] = [];
  const total = classes.size;
  for (const [done, [name, problem]] of [...classes].entries()) {
    progress?.({ done, total });
    signal?.throwIfAborted();
    const times = await knownOrTimed(backend, name, problem, signal);
    if (!times) continue;
    const chosen = chosenOf(times);
    backend.prefer(name, chosen);
    tunings.push({ op: problem.op, shapeClass: name, times, chosen });
  }
  progress?.({ done: total, total });
  return tunings;
}

/** Tells a backend what was measured of its variants on its device before. Never rejects. */
export async function preferTuned(backend: Backend, kept: Measurements): Promise<void> {
  for (const [name, value] of await kept.recall(backend, keyPrefix)) {
    if (isTimes(value)) backend.prefer(name, chosenOf(value));
  }
}

/** Undefined when the device can't hold the problem. */
async function knownOrTimed(
  backend: Backend,
  name: string,
  problem: Problem,
  signal: AbortSignal | undefined,
): Promise<readonly VariantTime[] | undefined> {
  const variants = backend.variants(problem);
  // Those of another version may have others.
  const accepts = (value: unknown): value is readonly VariantTime[] =>
    isTimes(value) && value.map(({ variant }) => variant).join() === variants.join();
  try {
    return await measured(backend, keyPrefix + name, () => time(backend, problem, variants, signal), accepts);
  } catch (error) {
    if (error instanceof OutOfMemoryError) return undefined;
    throw error;
  }
}

interface Contestant {
  readonly variant: string;
  readonly program: Program;
  readonly repeats: number;
  readonly samples: number[];
}

async function time(
  backend: Backend,
  problem: Problem,
  variants: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly VariantTime[]> {
  const breathe = breather(signal);
  const held: DeviceTensor[] = [];
  const hold = (taken: DeviceTensor) => {
    held.push(taken);
    return taken;
  };
  try {
    const arrays = tuningInputs(problem);
    const inputs: Record<string, DeviceTensor> = {};
    for (const [name, { shape, dtype }] of Object.entries(inputSpecs(problem))) {
      const packed = problem.op === 'linear' && name === 'weight';
      inputs[name] = hold(
        backend.upload(tensor(arrays[name]!, shape, dtype), packed ? { purpose: 'linear-weight' } : {}),
      );
    }
    const outputs: Record<string, DeviceTensor> = {};
    for (const [name, { shape, dtype }] of Object.entries(outputSpecs(problem))) {
      outputs[name] = hold(backend.allocate(shape, dtype));
    }
    const run = async (program: Program, repeats: number) => {
      await breathe();
      await backend.synchronize();
      const start = performance.now();
      for (let i = 0; i < repeats; i++) backend.dispatch(program, inputs, outputs);
      await backend.synchronize();
      return (performance.now() - start) / repeats;
    };

    const contestants: Contestant[] = [];
    for (const variant of variants) {
      try {
        const program = await backend.prepare(problem, { variant });
        // The first run may compile, and one that is short may be disturbed.
        await run(program, 1);
        let once = await run(program, 1);
        for (let again = 0; again < trials && once < shortMs; again++) once = Math.min(once, await run(program, 1));
        const repeats = Math.max(1, Math.min(mostRepeats, Math.ceil(sampleMs / once)));
        contestants.push({ variant, program, repeats, samples: [once] });
      } catch (error) {
        signal?.throwIfAborted();
        // The default is what runs anyway: that it fails must be told.
        if (variant === variants[0] || error instanceof OutOfMemoryError) throw error;
      }
    }
    const best = Math.min(...contestants.map(({ samples }) => samples[0]!));
    const inTheRunning = contestants.filter(({ samples }) => samples[0]! <= hopeless * best);
    if (inTheRunning.length > 1) for (const { samples } of inTheRunning) samples.length = 0;
    for (let round = 0; round < rounds && inTheRunning.length > 1; round++) {
      for (const { program, repeats, samples } of inTheRunning) samples.push(await run(program, repeats));
    }
    return variants.map((variant) => {
      const samples = contestants.find((contestant) => contestant.variant === variant)?.samples;
      return { variant, ms: samples ? median(samples) : null };
    });
  } finally {
    for (const tensorHeld of held) tensorHeld.dispose();
  }
}

function chosenOf(times: readonly VariantTime[]): string {
  const [standard] = times;
  const msOf = ({ ms }: VariantTime) => ms ?? Number.POSITIVE_INFINITY;
  const best = times.reduce((fastest, one) => (msOf(one) < msOf(fastest) ? one : fastest));
  return (msOf(best) <= margin * msOf(standard!) ? best : standard!).variant;
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1]!;
}

function isTimes(value: unknown): value is readonly VariantTime[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (one: Partial<VariantTime> | null) =>
        typeof one?.variant === 'string' && (one.ms === null || (typeof one.ms === 'number' && one.ms >= 0)),
    )
  );
}
