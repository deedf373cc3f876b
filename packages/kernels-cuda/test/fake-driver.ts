// A CUDA driver in memory. It hands out handles and addresses and knows which of them live, does what is put on a stream
// only when somebody waits for it, records every launch, and fails a call when it is told to. What the real one answers
// with an error it answers with the same: a handle that is not there, a context that is not current, memory that is full.

import type { CudaApi, CudaCalls } from '../src/driver.ts';
import { FakeHandles } from './fake-handles.ts';

export interface FakeDevice {
  readonly name?: string;
  readonly computeCapability?: readonly [major: number, minor: number];
  readonly memoryBytes?: number;
  readonly integrated?: boolean;
}

/** One launch, as the kernel saw it. */
export interface FakeLaunch {
  readonly kernel: string;
  readonly grid: readonly number[];
  readonly block: readonly number[];
  readonly sharedBytes: number;
  /** The value of each argument: all eight bytes of its slot. */
  readonly arguments: readonly bigint[];
  readonly byGraph: boolean;
}

export interface FakeOptions {
  readonly devices?: readonly FakeDevice[];
  /** As cuDriverGetVersion gives it. */
  readonly version?: number;
  /** Runs a kernel. @returns a CUresult */
  readonly execute?: (launch: FakeLaunch, driver: FakeDriver) => number;
  /** Dynamic shared memory that kernels are refused beyond, unless they were allowed it. */
  readonly sharedBytesUnasked?: number;
}

const codes = {
  success: 0,
  invalidValue: 1,
  outOfMemory: 2,
  notInitialized: 3,
  invalidDevice: 101,
  invalidContext: 201,
  invalidHandle: 400,
  notFound: 500,
  notReady: 600,
  captureUnsupported: 900,
};

const names: Readonly<Record<number, string>> = {
  1: 'CUDA_ERROR_INVALID_VALUE',
  2: 'CUDA_ERROR_OUT_OF_MEMORY',
  100: 'CUDA_ERROR_NO_DEVICE',
  201: 'CUDA_ERROR_INVALID_CONTEXT',
  209: 'CUDA_ERROR_NO_BINARY_FOR_GPU',
  400: 'CUDA_ERROR_INVALID_HANDLE',
  700: 'CUDA_ERROR_ILLEGAL_ADDRESS',
  719: 'CUDA_ERROR_LAUNCH_FAILED',
  999: 'CUDA_ERROR_UNKNOWN',
};

type Kind = 'stream' | 'event' | 'module' | 'kernel' | 'graph' | 'graphExec';

/** What is done when the stream comes to it. @returns a CUresult */
type Work = () => number;

interface Stream {
  readonly work: { run: Work; event?: FakeEvent }[];
  /** What is captured; undefined while nothing is. */
  capturing: FakeLaunch[] | undefined;
}

interface FakeEvent {
  pending: number;
}

/** A region of memory at an address. */
interface Region {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
}

export class FakeDriver implements CudaApi {
  readonly calls: CudaCalls;
  /** Every call made, in order, with its result. */
  readonly log: { readonly call: keyof CudaCalls; readonly result: number }[] = [];
  readonly launches: FakeLaunch[] = [];
  /** Times that each device's primary context is retained. */
  readonly contexts = new Map<number, number>();
  readonly #options: FakeOptions;
  readonly #handles = new FakeHandles<Kind>(0x5500_0000_0000n, codes.invalidHandle);
  readonly #deviceMemory = new Map<bigint, Region>();
  readonly #pinned = new Map<bigint, Region>();
  /** Buffers of the host whose address was asked for. */
  readonly #host = new Map<ArrayBuffer, Region>();
  /** The slots of arguments that were looked at: kernels are launched often. */
  readonly #slots = new Map<bigint, DataView>();
  readonly #allowedShared = new Map<bigint, number>();
  readonly #failures = new Map<keyof CudaCalls, { after: number; result: number }>();
  readonly #current: bigint[] = [];
  #initialized = false;
  /** Once a context is broken every call that needs it gives this. */
  #broken = 0;
  #nextAddress = 0x7f00_0000_0000n;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.calls = this.#implement();
  }

  /** Lets a call fail, once it has succeeded `after` more times. The results of a broken context stay. */
  fail(call: keyof CudaCalls, result: number, after = 0): void {
    this.#failures.set(call, { after, result });
  }

  /** Everything that was acquired and not released. */
  get held(): string[] {
    const contexts = [...this.contexts].filter(([, count]) => count !== 0);
    return [
      ...contexts.map(([device, count]) => `context of device ${device}, ${count} times`),
      ...this.#handles.live.filter(({ kind }) => kind !== 'kernel').map(({ kind }) => kind),
      ...[...this.#deviceMemory].map(([, { buffer }]) => `${buffer.byteLength} bytes on the device`),
      ...[...this.#pinned].map(([, { buffer }]) => `${buffer.byteLength} bytes pinned`),
      ...this.#current.map(() => 'a context on the stack of the thread'),
    ];
  }

  /** Calls of one function so far. */
  count(call: keyof CudaCalls): number {
    return this.log.filter((entry) => entry.call === call).length;
  }

  nameOf(result: number): string {
    return names[result] ?? `CUDA_ERROR_${result}`;
  }

  addressOf(buffer: ArrayBuffer): bigint {
    const known = this.#host.get(buffer);
    if (known) return known.address;
    const address = this.#place(buffer);
    this.#host.set(buffer, { address, buffer });
    return address;
  }

  view(pointer: bigint, byteLength: number): ArrayBuffer {
    const region = this.#pinned.get(pointer);
    if (region?.buffer.byteLength !== byteLength) throw new Error(`no ${byteLength} bytes at ${pointer}`);
    return region.buffer;
  }

  /** Memory at an address, device's or host's. */
  bytesAt(address: bigint, byteLength: number): Uint8Array {
    for (const regions of [this.#deviceMemory, this.#pinned, this.#host]) {
      for (const { address: start, buffer } of regions.values()) {
        const offset = Number(address - start);
        if (offset >= 0 && offset + byteLength <= buffer.byteLength) return new Uint8Array(buffer, offset, byteLength);
      }
    }
    throw new Error(`${byteLength} bytes at ${address} are nobody's`);
  }

  /** Whether a context is current on the thread. */
  get hasContext(): boolean {
    return this.#current.length > 0;
  }

  /** Puts a launch on a stream, or into what it captures. @returns a CUresult */
  launchOn(handle: bigint, launch: FakeLaunch): number {
    const stream = this.#handles.get<Stream>('stream', handle);
    if (!stream) return codes.invalidHandle;
    if (stream.capturing) stream.capturing.push({ ...launch, byGraph: true });
    else stream.work.push({ run: () => this.#execute(launch) });
    return codes.success;
  }

  #place(buffer: ArrayBuffer): bigint {
    const address = this.#nextAddress;
    this.#nextAddress += BigInt(Math.ceil((buffer.byteLength + 1) / 4096) * 4096);
    return address;
  }

  #device(ordinal: number): FakeDevice | undefined {
    return (this.#options.devices ?? [{}])[ordinal];
  }

  /** Does the first of a stream's work. */
  #step(stream: Stream): number {
    const next = stream.work.shift();
    if (!next) return codes.success;
    const result = next.run();
    if (next.event) next.event.pending--;
    if (result !== codes.success) this.#broken ||= result;
    return result;
  }

  #copy(destination: bigint, source: bigint, byteLength: number): number {
    this.bytesAt(destination, byteLength).set(this.bytesAt(source, byteLength));
    return codes.success;
  }

  #execute(launch: FakeLaunch): number {
    this.launches.push(launch);
    return this.#options.execute?.(launch, this) ?? codes.success;
  }

  /** The value of an argument, by its address. */
  #slot(address: bigint): DataView {
    let slot = this.#slots.get(address);
    if (!slot) {
      const { buffer, byteOffset } = this.bytesAt(address, 8);
      slot = new DataView(buffer, byteOffset, 8);
      this.#slots.set(address, slot);
    }
    return slot;
  }

  /** A launch with the values that its arguments have now: the driver copies them when it is called. */
  #launchOf(kernel: string, numbers: readonly number[], params: BigUint64Array): FakeLaunch {
    return {
      kernel,
      grid: numbers.slice(0, 3),
      block: numbers.slice(3, 6),
      sharedBytes: numbers[6]!,
      arguments: Array.from(params, (address) => this.#slot(address).getBigUint64(0, true)),
      byGraph: false,
    };
  }

  /** Wraps every call: counts it, lets it fail where it should, and checks what all calls need. */
  #implement(): CudaCalls {
    const calls = this.#plainCalls();
    const free = new Set<string>(['cuDriverGetVersion', 'cuInit']);
    const contextual = /^cu(Stream|Event|Mem|Module|Func|Launch|Graph)/;
    return Object.fromEntries(
      Object.entries(calls).map(([name, plain]) => {
        const call = name as keyof CudaCalls;
        const run = (...args: unknown[]): number => {
          const failure = this.#failures.get(call);
          if (failure && failure.after-- === 0) {
            this.#failures.delete(call);
            // A capture ends, whatever became of it.
            if (call === 'cuStreamEndCapture')
              this.#handles.get<Stream>('stream', args[0] as bigint)!.capturing = undefined;
            return failure.result;
          }
          if (!this.#initialized && !free.has(name)) return codes.notInitialized;
          if (contextual.test(name) && this.#current.length === 0) return codes.invalidContext;
          if (contextual.test(name) && this.#broken) return this.#broken;
          return (plain as (...given: unknown[]) => number)(...args);
        };
        return [
          name,
          (...args: unknown[]) => {
            const result = run(...args);
            this.log.push({ call, result });
            return result;
          },
        ];
      }),
    ) as unknown as CudaCalls;
  }

  #plainCalls(): CudaCalls {
    const devices = this.#options.devices ?? [{}];
    const { success, invalidValue, invalidHandle } = codes;
    const put = (out: NodeJS.TypedArray, value: number | bigint): number => {
      out[0] = value;
      return success;
    };
    const putText = (out: NodeJS.TypedArray, text: string): number => {
      (out as Uint8Array).set(new TextEncoder().encode(`${text}\0`));
      return success;
    };
    const enqueue = (handle: bigint, run: Work, event?: FakeEvent): number => {
      const stream = this.#handles.get<Stream>('stream', handle);
      if (!stream) return invalidHandle;
      if (stream.capturing) return codes.captureUnsupported;
      stream.work.push({ run, ...(event && { event }) });
      return success;
    };
    return {
      cuInit: () => {
        if (devices.length === 0) return 100;
        this.#initialized = true;
        return success;
      },
      cuDriverGetVersion: (out) => put(out, this.#options.version ?? 13000),
      cuDeviceGetCount: (out) => put(out, devices.length),
      // A device is no ordinal: who takes one for the other is found out.
      cuDeviceGet: (out, ordinal) => (this.#device(ordinal) ? put(out, 100 + ordinal) : codes.invalidDevice),
      cuDeviceGetName: (out, _, device) => putText(out, this.#device(device - 100)!.name ?? 'NVIDIA Fake'),
      cuDeviceGetAttribute: (out, attribute, device) => {
        const { computeCapability = [9, 0], integrated = false } = this.#device(device - 100)!;
        const values: Record<number, number> = {
          16: 132,
          18: Number(integrated),
          75: computeCapability[0],
          76: computeCapability[1],
          97: 232448,
        };
        return attribute in values ? put(out, values[attribute]!) : invalidValue;
      },
      cuDeviceTotalMem: (out, device) => put(out, BigInt(this.#device(device - 100)!.memoryBytes ?? 2 ** 33)),
      cuDeviceGetUuid: (out, device) => {
        (out as Uint8Array).set(Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? device : at)));
        return success;
      },
      cuDeviceGetPCIBusId: (out, _, device) =>
        putText(out, `0000:${(device - 100 + 1).toString(16).padStart(2, '0')}:00.0`),

      cuDevicePrimaryCtxRetain: (out, device) => {
        this.contexts.set(device, (this.contexts.get(device) ?? 0) + 1);
        return put(out, BigInt(device) << 32n);
      },
      cuDevicePrimaryCtxRelease: (device) => {
        const count = this.contexts.get(device) ?? 0;
        if (count === 0) return codes.invalidContext;
        this.contexts.set(device, count - 1);
        return success;
      },
      cuCtxPushCurrent: (context) => {
        if (!this.contexts.get(Number(context >> 32n))) return codes.invalidContext;
        this.#current.push(context);
        return success;
      },
      cuCtxPopCurrent: (out) => {
        const context = this.#current.pop();
        return context === undefined ? codes.invalidContext : put(out, context);
      },

      cuStreamCreate: (out) => this.#handles.make('stream', { work: [], capturing: undefined } satisfies Stream, out),
      cuStreamSynchronize: (handle) => {
        const stream = this.#handles.get<Stream>('stream', handle);
        if (!stream) return invalidHandle;
        while (stream.work.length > 0) {
          const result = this.#step(stream);
          if (result !== success) return result;
        }
        return success;
      },
      cuStreamDestroy: (handle) => this.#handles.drop('stream', handle),

      cuEventCreate: (out) => this.#handles.make('event', { pending: 0 } satisfies FakeEvent, out),
      cuEventRecord: (handle, stream) => {
        const event = this.#handles.get<FakeEvent>('event', handle);
        if (!event) return invalidHandle;
        event.pending++;
        return enqueue(stream, () => success, event);
      },
      // Streams move on a little with every look at them.
      cuEventQuery: (handle) => {
        const event = this.#handles.get<FakeEvent>('event', handle);
        if (!event) return invalidHandle;
        if (event.pending === 0) return success;
        for (const { kind, value } of this.#handles.live) {
          for (let steps = 0; kind === 'stream' && steps < 16; steps++) {
            const result = this.#step(value as Stream);
            if (result !== success) return result;
          }
        }
        return codes.notReady;
      },
      cuEventElapsedTime: (out) => put(out, 0.5),
      cuEventDestroy: (handle) => this.#handles.drop('event', handle),

      cuMemAlloc: (out, byteLength) => {
        const used = [...this.#deviceMemory.values()].reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
        const device = Number(this.#current.at(-1)! >> 32n);
        if (used + byteLength > (this.#device(device - 100)!.memoryBytes ?? 2 ** 33)) return codes.outOfMemory;
        // What a kernel is not given it must not find zero by luck.
        const buffer = new ArrayBuffer(byteLength);
        new Uint8Array(buffer).fill(0xcd);
        const address = this.#place(buffer);
        this.#deviceMemory.set(address, { address, buffer });
        return put(out, address);
      },
      cuMemFree: (address) => (this.#deviceMemory.delete(BigInt(address)) ? success : invalidValue),
      cuMemHostAlloc: (out, byteLength) => {
        const buffer = new ArrayBuffer(byteLength);
        const address = this.#place(buffer);
        this.#pinned.set(address, { address, buffer });
        return put(out, address);
      },
      cuMemFreeHost: (pointer) => (this.#pinned.delete(pointer) ? success : invalidValue),
      cuMemcpyHtoDAsync: (destination, source, byteLength, stream) =>
        enqueue(stream, () => this.#copy(BigInt(destination), source, byteLength)),
      cuMemcpyDtoHAsync: (destination, source, byteLength, stream) =>
        enqueue(stream, () => this.#copy(destination, BigInt(source), byteLength)),

      cuModuleLoadData: (out, image) => (image.byteLength === 0 ? 200 : this.#handles.make('module', image, out)),
      cuModuleGetFunction: (out, module, name) =>
        this.#handles.get('module', module) ? this.#handles.make('kernel', name, out) : invalidHandle,
      cuModuleUnload: (module) => this.#handles.drop('module', module),
      cuFuncSetAttribute: (fn, attribute, value) => {
        if (attribute !== 8 || value > 232448) return invalidValue;
        this.#allowedShared.set(fn, value);
        return success;
      },
      cuLaunchKernel: (fn, ...rest) => {
        const kernel = this.#handles.get<string>('kernel', fn);
        const numbers = rest.slice(0, 7) as number[];
        const [handle, params] = rest.slice(7) as [bigint, BigUint64Array];
        if (kernel === undefined) return invalidHandle;
        const allowed = Math.max(this.#options.sharedBytesUnasked ?? 49152, this.#allowedShared.get(fn) ?? 0);
        if (numbers.slice(0, 6).some((count) => count < 1) || numbers[6]! > allowed) return invalidValue;
        return this.launchOn(handle, this.#launchOf(kernel, numbers, params));
      },

      cuStreamBeginCapture: (handle) => {
        const stream = this.#handles.get<Stream>('stream', handle);
        if (!stream) return invalidHandle;
        stream.capturing = [];
        return success;
      },
      cuStreamEndCapture: (handle, out) => {
        const stream = this.#handles.get<Stream>('stream', handle);
        if (!stream?.capturing) return invalidHandle;
        const { capturing } = stream;
        stream.capturing = undefined;
        return this.#handles.make('graph', capturing, out);
      },
      cuGraphInstantiate: (out, graph) => {
        const launches = this.#handles.get<FakeLaunch[]>('graph', graph);
        return launches ? this.#handles.make('graphExec', launches, out) : invalidHandle;
      },
      cuGraphLaunch: (exec, stream) => {
        const launches = this.#handles.get<FakeLaunch[]>('graphExec', exec);
        if (!launches) return invalidHandle;
        return enqueue(stream, () => launches.map((launch) => this.#execute(launch)).find(Boolean) ?? success);
      },
      cuGraphDestroy: (graph) => this.#handles.drop('graph', graph),
      cuGraphExecDestroy: (exec) => this.#handles.drop('graphExec', exec),
    };
  }
}
