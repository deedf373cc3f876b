// Ops are recorded as they are dispatched and submitted together: when somebody waits for a result, or when many have
// come together. A whole forward pass is few submits, each one pass of one command buffer.

export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number];
}

/** What encodes ops that a profile times. */
export interface TimingEncoder {
  /** @returns what to call when it is submitted */
  encode(encoder: GPUCommandEncoder, ops: readonly RecordedOp[]): () => void;
}

/** One op: its dispatches, and whether it was left out. */
export class RecordedOp {
  readonly signal: AbortSignal | undefined;
  readonly dispatches: Dispatch[] = [];
  timing: TimingEncoder | undefined;
  /** Left out, because the signal had aborted before it was submitted. */
  skipped = false;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal;
  }
}

/** Dispatches that are submitted at once at most; what a BERT-base forward pass takes fits twice. */
const mostDispatches = 1024;

export class Recorder {
  readonly #device: GPUDevice;
  #ops: RecordedOp[] = [];
  #dispatches = 0;
  #recorded = 0;
  #submitted = 0;
  /** Command buffers submitted. */
  submits = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get recorded(): number {
    return this.#recorded;
  }

  /** Of the recorded ops, how many are on their way. */
  get submitted(): number {
    return this.#submitted;
  }

  record(op: RecordedOp): void {
    this.#ops.push(op);
    this.#recorded++;
    this.#dispatches += op.dispatches.length;
    if (this.#dispatches >= mostDispatches) this.submit();
  }

  submit(): void {
    if (this.#ops.length > 0) {
      for (const op of this.#ops) op.skipped = op.signal?.aborted ?? false;
      const ops = this.#ops.filter(({ skipped }) => !skipped);
      const timing = ops.find((op) => op.timing)?.timing;
      const encoder = this.#device.createCommandEncoder();
      const whenSubmitted = timing?.encode(encoder, ops) ?? encodeTogether(encoder, ops);
      this.#device.queue.submit([encoder.finish()]);
      this.submits++;
      whenSubmitted?.();
    }
    this.#ops = [];
    this.#dispatches = 0;
    this.#submitted = this.#recorded;
  }
}

function encodeTogether(encoder: GPUCommandEncoder, ops: readonly RecordedOp[]): undefined {
  const pass = encoder.beginComputePass();
  for (const { dispatches } of ops) for (const dispatch of dispatches) encodeDispatch(pass, dispatch);
  pass.end();
}

export function encodeDispatch(pass: GPUComputePassEncoder, { pipeline, bindGroup, workgroups }: Dispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(...workgroups);
}
