// Ops are recorded as they are dispatched and submitted together: when somebody waits for a result, or when many have
// come together. A whole forward pass is few submits, each one pass of one command buffer.

export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number];
}

/** One op: its dispatches, and whether it was left out. */
export class RecordedOp {
  readonly signal: AbortSignal | undefined;
  readonly dispatches: Dispatch[] = [];
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
      const encoder = this.#device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const op of this.#ops) {
        op.skipped = op.signal?.aborted ?? false;
        if (op.skipped) continue;
        for (const { pipeline, bindGroup, workgroups } of op.dispatches) {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, bindGroup);
          pass.dispatchWorkgroups(...workgroups);
        }
      }
      pass.end();
      this.#device.queue.submit([encoder.finish()]);
      this.submits++;
    }
    this.#ops = [];
    this.#dispatches = 0;
    this.#submitted = this.#recorded;
  }
}
