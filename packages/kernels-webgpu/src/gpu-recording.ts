// What a profile records on this backend: the device's timestamps around every dispatch, or, where the device has none,
// when the host was told that an op was done.

import {
  ClockedOps,
  type KernelProfile,
  opProfiles,
  type Profile,
  type ProfileRecording,
  type Program,
} from '@flashmla/tensor';
import { mapModeRead, usage } from './gpu.ts';
import { type Dispatch, encodeDispatch, type RecordedOp, type Recorder, type TimingEncoder } from './recorder.ts';

export interface GpuRecording extends ProfileRecording {
  /** Records an op, and takes it down. */
  record(recorder: Recorder, op: RecordedOp, program: Program): void;
}

export const recordingOn = (device: GPUDevice): GpuRecording =>
  device.features.has('timestamp-query') ? new TimestampRecording(device) : new SubmitRecording(device);

/** Dispatches that were submitted together, and their timestamps in ns, two for each. */
interface Batch {
  readonly dispatches: readonly Dispatch[];
  readonly submittedMs: number;
  readonly timestamps: Promise<BigUint64Array>;
}

class TimestampRecording implements GpuRecording, TimingEncoder {
  readonly #device: GPUDevice;
  readonly #originMs = performance.now();
  readonly #ops: { readonly op: RecordedOp; readonly program: Program }[] = [];
  readonly #batches: Batch[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  record(recorder: Recorder, op: RecordedOp, program: Program): void {
    this.#ops.push({ op, program });
    op.timing = this;
    recorder.record(op);
  }

  /** Each dispatch in a pass of its own: WebGPU writes timestamps where passes begin and end. */
  encode(encoder: GPUCommandEncoder, ops: readonly RecordedOp[]): () => void {
    const dispatches = ops.flatMap((op) => op.dispatches);
    if (dispatches.length === 0) return () => {};
    const count = 2 * dispatches.length;
    const size = 8 * count;
    const querySet = this.#device.createQuerySet({ type: 'timestamp', count });
    const resolved = this.#device.createBuffer({ size, usage: usage.queryResolve | usage.copySource });
    const staging = this.#device.createBuffer({ size, usage: usage.mapRead | usage.copyDestination });
    for (const [i, dispatch] of dispatches.entries()) {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      encodeDispatch(pass, dispatch);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    const submittedMs = performance.now() - this.#originMs;
    return () => {
      const timestamps = readOnce(staging).finally(() => {
        querySet.destroy();
        resolved.destroy();
      });
      // Told to whoever finishes the profile, if anybody does.
      timestamps.catch(() => {});
      this.#batches.push({ dispatches, submittedMs, timestamps });
    };
  }

  async finish(): Promise<Pick<Profile<unknown>, 'timing' | 'ops'>> {
    const batches = await Promise.all(
      this.#batches.map(async (batch) => ({ ...batch, timestamps: await batch.timestamps })),
    );
    const first = batches[0]?.timestamps[0] ?? 0n;
    const sinceFirst = (timestamp: bigint) => Number(timestamp - first) / 1e6;
    // The device's clock has an origin of its own. The latest one by which nothing began before it was submitted will do.
    const offsetMs = Math.max(
      ...batches.map(({ submittedMs, timestamps }) => submittedMs - sinceFirst(timestamps[0]!)),
    );
    const kernels = new Map<Dispatch, KernelProfile>();
    for (const { dispatches, timestamps } of batches) {
      for (const [i, dispatch] of dispatches.entries()) {
        const startMs = offsetMs + sinceFirst(timestamps[2 * i]!);
        // Timestamps need not rise; where they fall, nothing better is known than no time.
        const endMs = Math.max(startMs, offsetMs + sinceFirst(timestamps[2 * i + 1]!));
        kernels.set(dispatch, { name: dispatch.pipeline.label, startMs, endMs });
      }
    }
    const stepNs = clockStep(batches.flatMap(({ timestamps }) => [...timestamps]));
    const steps = stepNs >= 1000 ? `, which it tells in steps of ${stepNs / 1000} µs` : '';
    const description = `by the device's own timestamps${steps}, each kernel in a pass of its own`;
    const ran = this.#ops.filter(({ op }) => !op.skipped);
    const ops = ran.map(({ op, program }) => ({ program, kernels: op.dispatches.map((each) => kernels.get(each)!) }));
    return { timing: { source: 'timestamps', description }, ops: opProfiles(ops) };
  }
}

/** One submit an op, and the host's clock when the queue says that it is done. */
class SubmitRecording implements GpuRecording {
  readonly #device: GPUDevice;
  readonly #ops = new ClockedOps(
    "by the host's clock, for the device has no timestamps: each op is submitted alone, and submitting and waiting count",
  );

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  record(recorder: Recorder, op: RecordedOp, program: Program): void {
    recorder.record(op);
    recorder.submit();
    if (op.skipped) return;
    const done = this.#device.queue.onSubmittedWorkDone();
    // What goes wrong on the device is told to whoever synchronizes.
    this.#ops.add(program, () => done).catch(() => {});
  }

  finish(): Promise<Pick<Profile<unknown>, 'timing' | 'ops'>> {
    return this.#ops.finish();
  }
}

async function readOnce(staging: GPUBuffer): Promise<BigUint64Array> {
  try {
    await staging.mapAsync(mapModeRead);
    return new BigUint64Array(staging.getMappedRange().slice(0));
  } finally {
    staging.destroy();
  }
}

/** What all differences of timestamps are multiples of, in ns: how finely the clock is told. 0 where too few tell. */
export function clockStep(timestamps: readonly bigint[]): number {
  const different = [...new Set(timestamps)];
  if (different.length < 8) return 0;
  return Number(different.map((timestamp) => timestamp - different[0]!).reduce(greatestCommonDivisor, 0n));
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}
