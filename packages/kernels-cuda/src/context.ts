// A device in use: its primary context, one stream, the kernels, and how far the stream has come. Releases what it
// acquired when it is closed, and when opening it fails half-way.

import { FlashMLAError } from '@flashmla/tensor';
import { CudaError } from './cuda-error.ts';
import type { Driver, Handle } from './driver.ts';
import { Releases, releaseEach } from './releases.ts';

/** So long a wait asks again in every turn of the event loop, and then every millisecond. */
const eagerMs = 2;

export class CudaContext {
  readonly driver: Driver;
  readonly stream: Handle;
  readonly handle: Handle;
  readonly #module: Handle;
  readonly #releases: Releases;
  readonly #kernels = new Map<string, { handle: Handle; sharedBytes: number }>();
  /** Marks on the stream that it has not been seen to pass, in order. */
  readonly #marks: { readonly tick: number; readonly event: Handle }[] = [];
  readonly #events: Handle[] = [];
  readonly #timers = new Set<Handle>();
  #nextTick = 1;
  #passed = 0;
  #gone: Error | undefined;

  /**
   * @param ordinal of the device, as the driver knows it
   * @param image the kernels: a fatbin
   */
  constructor(driver: Driver, ordinal: number, image: Uint8Array) {
    this.driver = driver;
    this.#releases = new Releases();
    try {
      this.handle = this.#releases.add(driver.retainPrimaryContext(ordinal), () =>
        driver.releasePrimaryContext(ordinal),
      );
      const [stream, module] = driver.within(this.handle, () => [
        this.#acquire(driver.createStream(), (acquired) => driver.destroyStream(acquired)),
        this.#acquire(driver.loadModule(image), (acquired) => driver.unloadModule(acquired)),
      ]);
      this.stream = stream!;
      this.#module = module!;
    } catch (error) {
      this.#releases.release();
      throw error;
    }
  }

  /** Why it does no more work, once it failed for good or was closed. */
  get gone(): Error | undefined {
    return this.#gone;
  }

  checkUsable(): void {
    if (this.#gone) throw this.#gone;
  }

  /** Calls of the driver that need the context. One that says that the context is of no more use ends it. */
  run<T>(work: () => T): T {
    this.checkUsable();
    try {
      return this.driver.within(this.handle, work);
    } catch (error) {
      if (error instanceof CudaError && error.endsContext) this.#gone = error;
      throw error;
    }
  }

  /** A kernel of the fatbin, allowed `sharedBytes` of dynamic shared memory. */
  kernel(name: string, sharedBytes: number): Handle {
    const known = this.#kernels.get(name);
    if (known && known.sharedBytes >= sharedBytes) return known.handle;
    return this.run(() => {
      const handle = known?.handle ?? this.driver.kernel(this.#module, name);
      // Asked for whatever the size: 48 KiB need no asking, but what a kernel declares by itself is taken from them.
      if (sharedBytes > 0) this.driver.allowSharedMemory(handle, sharedBytes);
      this.#kernels.set(name, { handle, sharedBytes });
      return handle;
    });
  }

  /** The tick of the next mark: what is put on the stream now is done once it has passed. */
  get nextTick(): number {
    return this.#nextTick;
  }

  /** The tick of the last mark: what was put on the stream so far, once all of it was marked. */
  get lastTick(): number {
    return this.#nextTick - 1;
  }

  /** Marks how far the stream was filled. Within `run`. @returns the mark's tick */
  mark(): number {
    const event =
      this.#events.pop() ?? this.#acquire(this.driver.createEvent(), (made) => this.driver.destroyEvent(made));
    try {
      this.driver.recordEvent(event, this.stream);
    } catch (error) {
      this.#events.push(event);
      throw error;
    }
    this.#marks.push({ tick: this.#nextTick, event });
    return this.#nextTick++;
  }

  /** An event that tells the time. Within `run`; destroyed with the context, unless `destroyTimer` does. */
  createTimer(): Handle {
    const event = this.driver.createEvent(true);
    this.#timers.add(event);
    return event;
  }

  /** Within `run`. */
  destroyTimer(event: Handle): void {
    if (this.#timers.delete(event)) this.driver.destroyEvent(event);
  }

  /** Whether the stream has passed a mark. Raises what went wrong on it. */
  passed(tick: number): boolean {
    this.checkUsable();
    if (tick > this.#passed) this.run(() => this.#look());
    return tick <= this.#passed;
  }

  /**
   * Resolves when the stream has passed a mark. It asks again and again rather than have a thread of koffi's block in the
   * driver: that would take one of Node's few for each wait, wake JavaScript no sooner, and could not be told that the
   * backend was disposed. Short waits, the ones that count, cost no more than a turn of the event loop; long ones sleep.
   */
  async wait(tick: number): Promise<void> {
    await until(() => this.passed(tick));
  }

  /** Blocks until the stream is done. For the rare case where memory must be quiet at once. */
  block(): void {
    this.run(() => this.driver.synchronizeStream(this.stream));
  }

  /**
   * Lets what is on the stream end and releases everything.
   *
   * @param reason what whoever uses it from now on is told
   * @param releaseMore what else lives in the context: gives what failed
   */
  async close(reason: Error, releaseMore: () => unknown[]): Promise<void> {
    const broken = this.#gone !== undefined;
    this.#gone = reason;
    // Memory that kernels still use must not be taken from under them. What goes wrong in them ends here, too.
    const ended = () => {
      this.driver.within(this.handle, () => this.#look());
      return this.#marks.length === 0;
    };
    if (!broken) await until(ended).catch(() => {});
    const failures = this.#release(releaseMore);
    // In a context that does no more work nothing can be released in order; the driver does when the process ends.
    if (failures.length > 0 && !broken) throw failures[0];
  }

  #release(releaseMore: () => unknown[]): unknown[] {
    const failures: unknown[] = [];
    try {
      this.driver.within(this.handle, () => failures.push(...releaseMore(), ...this.#destroyTimers()));
    } catch (error) {
      failures.push(error);
    }
    return [...failures, ...this.#releases.release()];
  }

  #destroyTimers(): unknown[] {
    return releaseEach(this.#timers, (event) => this.destroyTimer(event));
  }

  /** Acquires what is released with the context current. */
  #acquire(acquired: Handle, release: (acquired: Handle) => void): Handle {
    return this.#releases.add(acquired, () => this.driver.within(this.handle, () => release(acquired)));
  }

  #look(): void {
    for (let first = this.#marks[0]; first && this.driver.eventDone(first.event); first = this.#marks[0]) {
      this.#marks.shift();
      this.#events.push(first.event);
      this.#passed = first.tick;
    }
  }
}

async function until(done: () => boolean): Promise<void> {
  const start = performance.now();
  while (!done()) {
    if (performance.now() - start < eagerMs) await new Promise<void>((resolve) => setImmediate(resolve));
    else await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }
}

/** What whoever uses a backend after its end is told. */
export const disposed = () => new FlashMLAError('disposed', '[kernels-cuda] the backend was disposed; open a new one.');
