// What a profile records on this backend: an event of the device behind every launch, each kernel by itself.

import { type KernelProfile, opProfiles, type Profile, type ProfileRecording, type Program } from '@flashmla/tensor';
import type { CudaContext } from './context.ts';
import type { Handle } from './driver.ts';
import type { Graphs } from './graphs.ts';
import type { Launch, RecordedOp } from './recorder.ts';

/** Launches that were put on the stream together. */
interface Batch {
  /** Before the first of them. */
  readonly start: Handle;
  /** Behind each. */
  readonly ends: Map<Launch, Handle>;
}

export class EventRecording implements ProfileRecording {
  readonly #context: CudaContext;
  /** When the profile began: the stream is empty then, so that it has no earlier work to pass. */
  readonly #origin: Handle;
  readonly #ops: { readonly op: RecordedOp; readonly program: Program }[] = [];
  readonly #batches: Batch[] = [];
  readonly #events: Handle[] = [];

  constructor(context: CudaContext) {
    this.#context = context;
    this.#origin = context.run(() => this.#event());
  }

  /** Takes an op down that is recorded next. */
  add(op: RecordedOp, program: Program): void {
    this.#ops.push({ op, program });
    op.recording = this;
  }

  /** Puts launches on the stream. Within the context's `run`. */
  launch(graphs: Graphs, launches: readonly Launch[]): void {
    const batch: Batch = { start: this.#event(), ends: new Map() };
    this.#batches.push(batch);
    graphs.launchEach(launches, (launch) => batch.ends.set(launch, this.#event()));
  }

  async finish(): Promise<Pick<Profile<unknown>, 'timing' | 'ops'>> {
    const kernels = this.#context.run(() => this.#kernels());
    this.release();
    const ran = this.#ops.filter(({ op }) => !op.failed);
    const ops = ran.map(({ op, program }) => ({ program, kernels: op.launches.map((each) => kernels.get(each)!) }));
    const description = 'by events of the device, each kernel from the end of the one before; without graphs';
    return { timing: { source: 'timestamps', description }, ops: opProfiles(ops) };
  }

  /** Destroys its events. Harmless when they are destroyed. */
  release(): void {
    this.#context.run(() => {
      for (const event of this.#events.splice(0)) this.#context.destroyTimer(event);
    });
  }

  #kernels(): Map<Launch, KernelProfile> {
    const since = (event: Handle) => this.#context.driver.elapsedMs(this.#origin, event);
    const kernels = new Map<Launch, KernelProfile>();
    for (const { start, ends } of this.#batches) {
      let startMs = since(start);
      for (const [launch, end] of ends) {
        const endMs = since(end);
        kernels.set(launch, { name: launch.prepared.step.kernel, startMs, endMs });
        startMs = endMs;
      }
    }
    return kernels;
  }

  /** An event at this point of the stream. */
  #event(): Handle {
    const event = this.#context.createTimer();
    this.#events.push(event);
    this.#context.driver.recordEvent(event, this.#context.stream);
    return event;
  }
}
