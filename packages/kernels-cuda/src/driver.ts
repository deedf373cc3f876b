// The CUDA driver API: what this package calls of it, where it comes from, and a face on which every call is checked.
//
// libcuda comes with the NVIDIA driver. It is opened when it is asked for (native-library.ts). Signatures are those of cuda.h.
// Device addresses are numbers here, for they lie below 2^53 (49 bits at most), and are compared and added often.

import { CudaError, cuda } from './cuda-error.ts';
import { bindCalls, type Koffi, loadKoffi, type Out, type Signatures } from './native-library.ts';
import type { Dimensions, Word } from './plan.ts';

/** A CUcontext, CUstream, CUevent, CUmodule, CUfunction, CUgraph or CUgraphExec. */
export type Handle = bigint;

/** The functions, by their names without suffix. Each gives a CUresult. */
export interface CudaCalls {
  cuInit(flags: number): number;
  cuDriverGetVersion(version: Out): number;
  cuDeviceGetCount(count: Out): number;
  cuDeviceGet(device: Out, ordinal: number): number;
  cuDeviceGetName(name: Out, length: number, device: number): number;
  cuDeviceGetAttribute(value: Out, attribute: number, device: number): number;
  cuDeviceTotalMem(bytes: Out, device: number): number;
  cuDeviceGetUuid(uuid: Out, device: number): number;
  cuDeviceGetPCIBusId(id: Out, length: number, device: number): number;
  cuDevicePrimaryCtxRetain(context: Out, device: number): number;
  cuDevicePrimaryCtxRelease(device: number): number;
  cuCtxPushCurrent(context: Handle): number;
  cuCtxPopCurrent(context: Out): number;
  cuStreamCreate(stream: Out, flags: number): number;
  cuStreamSynchronize(stream: Handle): number;
  cuStreamDestroy(stream: Handle): number;
  cuEventCreate(event: Out, flags: number): number;
  cuEventRecord(event: Handle, stream: Handle): number;
  cuEventQuery(event: Handle): number;
  cuEventElapsedTime(milliseconds: Out, start: Handle, end: Handle): number;
  cuEventDestroy(event: Handle): number;
  cuMemAlloc(address: Out, bytes: number): number;
  cuMemFree(address: number): number;
  cuMemHostAlloc(pointer: Out, bytes: number, flags: number): number;
  cuMemFreeHost(pointer: bigint): number;
  cuMemcpyHtoDAsync(destination: number, source: bigint, bytes: number, stream: Handle): number;
  cuMemcpyDtoHAsync(destination: bigint, source: number, bytes: number, stream: Handle): number;
  cuModuleLoadData(module: Out, image: Uint8Array): number;
  cuModuleGetFunction(fn: Out, module: Handle, name: string): number;
  cuModuleUnload(module: Handle): number;
  cuFuncSetAttribute(fn: Handle, attribute: number, value: number): number;
  cuLaunchKernel(
    fn: Handle,
    ...rest: [...grid: Dimensions, ...block: Dimensions, sharedBytes: number, stream: Handle, params: Out, extra: null]
  ): number;
  cuStreamBeginCapture(stream: Handle, mode: number): number;
  cuStreamEndCapture(stream: Handle, graph: Out): number;
  cuGraphInstantiate(exec: Out, graph: Handle, flags: number): number;
  cuGraphLaunch(exec: Handle, stream: Handle): number;
  cuGraphDestroy(graph: Handle): number;
  cuGraphExecDestroy(exec: Handle): number;
}

/** The driver as a library offers it. Tests put one in memory here. */
export interface CudaApi {
  readonly calls: CudaCalls;
  /** The name of a CUresult: 'CUDA_ERROR_OUT_OF_MEMORY'. */
  nameOf(result: number): string;
  /** Where an ArrayBuffer lies; it stays there for as long as it lives. */
  addressOf(buffer: ArrayBuffer): bigint;
  /** Memory that the driver gave, as an ArrayBuffer. */
  view(pointer: bigint, byteLength: number): ArrayBuffer;
}

/** Exported names are those that cuda.h's macros stand for. */
export const signatures: Signatures<CudaCalls> = {
  cuInit: ['w'],
  cuDriverGetVersion: ['m'],
  cuDeviceGetCount: ['m'],
  cuDeviceGet: ['mi'],
  cuDeviceGetName: ['mii'],
  cuDeviceGetAttribute: ['mii'],
  cuDeviceTotalMem: ['mi', 'cuDeviceTotalMem_v2'],
  cuDeviceGetUuid: ['mi', 'cuDeviceGetUuid_v2'],
  cuDeviceGetPCIBusId: ['mii'],
  cuDevicePrimaryCtxRetain: ['mi'],
  cuDevicePrimaryCtxRelease: ['i', 'cuDevicePrimaryCtxRelease_v2'],
  cuCtxPushCurrent: ['u', 'cuCtxPushCurrent_v2'],
  cuCtxPopCurrent: ['m', 'cuCtxPopCurrent_v2'],
  cuStreamCreate: ['mw'],
  cuStreamSynchronize: ['u'],
  cuStreamDestroy: ['u', 'cuStreamDestroy_v2'],
  cuEventCreate: ['mw'],
  cuEventRecord: ['uu'],
  cuEventQuery: ['u'],
  cuEventElapsedTime: ['muu'],
  cuEventDestroy: ['u', 'cuEventDestroy_v2'],
  cuMemAlloc: ['mz', 'cuMemAlloc_v2'],
  cuMemFree: ['u', 'cuMemFree_v2'],
  cuMemHostAlloc: ['mzw'],
  cuMemFreeHost: ['u'],
  cuMemcpyHtoDAsync: ['uuzu', 'cuMemcpyHtoDAsync_v2'],
  cuMemcpyDtoHAsync: ['uuzu', 'cuMemcpyDtoHAsync_v2'],
  cuModuleLoadData: ['mm'],
  cuModuleGetFunction: ['mus'],
  cuModuleUnload: ['u'],
  cuFuncSetAttribute: ['uii'],
  cuLaunchKernel: ['uwwwwwwwumm'],
  cuStreamBeginCapture: ['ui', 'cuStreamBeginCapture_v2'],
  cuStreamEndCapture: ['um'],
  cuGraphInstantiate: ['muu', 'cuGraphInstantiateWithFlags'],
  cuGraphLaunch: ['uu'],
  cuGraphDestroy: ['u'],
  cuGraphExecDestroy: ['u'],
};

const libraries: Readonly<Partial<Record<NodeJS.Platform, string>>> = { linux: 'libcuda.so.1', win32: 'nvcuda.dll' };

/**
 * The driver of this machine, or why there is none.
 *
 * @param path of the library; default: by its name, from where the system looks for libraries
 */
export async function openLibrary(path?: string): Promise<CudaApi | string> {
  const platform = globalThis.process?.versions?.node ? process.platform : undefined;
  if (!platform) return 'CUDA is for Node; use WebGPU in a browser';
  const file = path ?? libraries[platform];
  if (!file) return `there is no CUDA on ${platform}; use another backend`;
  if (process.arch !== 'x64' && process.arch !== 'arm64')
    return `there is no CUDA on ${process.arch}; use another backend`;
  const koffi = await loadKoffi();
  if (typeof koffi === 'string') return koffi;
  try {
    return bind(koffi, file);
  } catch (error) {
    return `no NVIDIA driver: ${file} does not load (${(error as Error).message}); install the driver of your GPU`;
  }
}

function bind(koffi: Koffi, file: string): CudaApi {
  const library = koffi.load(file);
  const nameOf = library.func('cuGetErrorName', 'int', ['int', 'void *']);
  return {
    calls: bindCalls(library, signatures),
    nameOf(result) {
      const name = new BigUint64Array(1);
      return nameOf(result, name) === 0 ? koffi.decode.string(name[0]!) : `CUDA error ${result}`;
    },
    addressOf: (buffer) => koffi.address(buffer),
    view: (pointer, byteLength) => koffi.view(pointer, byteLength),
  };
}

/** CUdevice_attribute of cuda.h. */
export const attributes = {
  multiprocessors: 16,
  integrated: 18,
  computeCapabilityMajor: 75,
  computeCapabilityMinor: 76,
  sharedBytesPerBlock: 97,
} as const;

const streamNonBlocking = 1;
const eventDisableTiming = 2;
const captureModeThreadLocal = 1;
const maxDynamicSharedSizeBytes = 8;

/** Pinned host memory. */
export interface PinnedMemory {
  readonly pointer: bigint;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The arguments of a kernel: values in slots of eight bytes, and the array of their addresses that a launch is given. */
export class KernelArguments {
  readonly params: BigUint64Array;
  readonly #values: DataView;

  constructor(api: CudaApi, pointers: number, words: readonly Word[]) {
    const count = pointers + words.length;
    // A buffer of its own is never moved, unlike a small typed array, which lies in the collector's heap.
    const values = new ArrayBuffer(8 * Math.max(1, count));
    const address = api.addressOf(values);
    this.#values = new DataView(values);
    this.params = BigUint64Array.from({ length: count }, (_, at) => address + BigInt(8 * at));
    words.forEach((word, at) => {
      const offset = 8 * (pointers + at);
      if (typeof word === 'number') this.#values.setInt32(offset, word, true);
      else this.#values.setFloat32(offset, word.float, true);
    });
  }

  setPointer(at: number, address: number): void {
    this.#values.setUint32(8 * at, address % 2 ** 32, true);
    this.#values.setUint32(8 * at + 4, Math.floor(address / 2 ** 32), true);
  }
}

/** The driver with every call checked: what fails raises a CudaError. */
export class Driver {
  readonly api: CudaApi;

  constructor(api: CudaApi) {
    this.api = api;
  }

  initialize(): void {
    this.#call('cuInit', 0);
  }

  /** 13000 for CUDA 13.0. Needs no initialization. */
  version(): number {
    const version = new Int32Array(1);
    this.#call('cuDriverGetVersion', version);
    return version[0]!;
  }

  deviceCount(): number {
    const count = new Int32Array(1);
    this.#call('cuDeviceGetCount', count);
    return count[0]!;
  }

  device(ordinal: number): number {
    const device = new Int32Array(1);
    this.#call('cuDeviceGet', device, ordinal);
    return device[0]!;
  }

  deviceName(device: number): string {
    const name = new Uint8Array(256);
    this.#call('cuDeviceGetName', name, name.length, device);
    return textOf(name);
  }

  attribute(device: number, attribute: keyof typeof attributes): number {
    const value = new Int32Array(1);
    this.#call('cuDeviceGetAttribute', value, attributes[attribute], device);
    return value[0]!;
  }

  totalMemory(device: number): number {
    const bytes = new BigUint64Array(1);
    this.#call('cuDeviceTotalMem', bytes, device);
    return Number(bytes[0]);
  }

  /** As nvidia-smi -L writes it: 'GPU-8f5d3c1a-…'. */
  uuid(device: number): string {
    const uuid = new Uint8Array(16);
    this.#call('cuDeviceGetUuid', uuid, device);
    const digits = Array.from(uuid, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return `GPU-${digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`;
  }

  /** '0000:01:00.0' */
  pciBusId(device: number): string {
    const id = new Uint8Array(32);
    this.#call('cuDeviceGetPCIBusId', id, id.length, device);
    return textOf(id);
  }

  retainPrimaryContext(device: number): Handle {
    return this.#made('cuDevicePrimaryCtxRetain', device);
  }

  releasePrimaryContext(device: number): void {
    this.#call('cuDevicePrimaryCtxRelease', device);
  }

  /** Runs `work` with a context current on this thread, and leaves the thread as it was. */
  within<T>(context: Handle, work: () => T): T {
    this.#call('cuCtxPushCurrent', context);
    let result: T;
    try {
      result = work();
    } catch (error) {
      // What went wrong first says more than what popping may add.
      this.api.calls.cuCtxPopCurrent(new BigUint64Array(1));
      throw error;
    }
    this.#made('cuCtxPopCurrent');
    return result;
  }

  /** A stream that does not wait for the default stream. */
  createStream(): Handle {
    return this.#made('cuStreamCreate', streamNonBlocking);
  }

  /** Blocks until all of it is done. */
  synchronizeStream(stream: Handle): void {
    this.#call('cuStreamSynchronize', stream);
  }

  destroyStream(stream: Handle): void {
    this.#call('cuStreamDestroy', stream);
  }

  createEvent(timing = false): Handle {
    return this.#made('cuEventCreate', timing ? 0 : eventDisableTiming);
  }

  recordEvent(event: Handle, stream: Handle): void {
    this.#call('cuEventRecord', event, stream);
  }

  /** Whether what came before the event is done. Raises what went wrong in it. */
  eventDone(event: Handle): boolean {
    const result = this.api.calls.cuEventQuery(event);
    if (result === cuda.notReady) return false;
    this.#check('cuEventQuery', result);
    return true;
  }

  /** Milliseconds between two events that are done. */
  elapsedMs(start: Handle, end: Handle): number {
    const milliseconds = new Float32Array(1);
    this.#call('cuEventElapsedTime', milliseconds, start, end);
    return milliseconds[0]!;
  }

  destroyEvent(event: Handle): void {
    this.#call('cuEventDestroy', event);
  }

  allocate(byteLength: number): number {
    const address = new BigUint64Array(1);
    this.#check('cuMemAlloc', this.api.calls.cuMemAlloc(address, byteLength), `${byteLength} bytes`);
    return Number(address[0]);
  }

  free(address: number): void {
    this.#call('cuMemFree', address);
  }

  allocatePinned(byteLength: number): PinnedMemory {
    const pointer = new BigUint64Array(1);
    this.#check('cuMemHostAlloc', this.api.calls.cuMemHostAlloc(pointer, byteLength, 0), `${byteLength} bytes`);
    return { pointer: pointer[0]!, bytes: new Uint8Array(this.api.view(pointer[0]!, byteLength)) };
  }

  freePinned({ pointer }: PinnedMemory): void {
    this.#call('cuMemFreeHost', pointer);
  }

  copyToDevice(destination: number, source: bigint, byteLength: number, stream: Handle): void {
    this.#call('cuMemcpyHtoDAsync', destination, source, byteLength, stream);
  }

  copyToHost(destination: bigint, source: number, byteLength: number, stream: Handle): void {
    this.#call('cuMemcpyDtoHAsync', destination, source, byteLength, stream);
  }

  /** @param image a fatbin */
  loadModule(image: Uint8Array): Handle {
    return this.#made('cuModuleLoadData', image);
  }

  kernel(module: Handle, name: string): Handle {
    const fn = new BigUint64Array(1);
    this.#check('cuModuleGetFunction', this.api.calls.cuModuleGetFunction(fn, module, name), name);
    return fn[0]!;
  }

  unloadModule(module: Handle): void {
    this.#call('cuModuleUnload', module);
  }

  allowSharedMemory(kernel: Handle, byteLength: number): void {
    this.#call('cuFuncSetAttribute', kernel, maxDynamicSharedSizeBytes, byteLength);
  }

  launch(
    kernel: Handle,
    {
      kernel: name,
      grid,
      block,
      sharedBytes,
    }: { kernel: string; grid: Dimensions; block: Dimensions; sharedBytes: number },
    stream: Handle,
    { params }: KernelArguments,
  ): void {
    const result = this.api.calls.cuLaunchKernel(kernel, ...grid, ...block, sharedBytes, stream, params, null);
    this.#check('cuLaunchKernel', result, name);
  }

  /** What `launches` launches on the stream, as a graph instead. */
  capture(stream: Handle, launches: () => void): Handle {
    this.#call('cuStreamBeginCapture', stream, captureModeThreadLocal);
    const graph = new BigUint64Array(1);
    try {
      launches();
    } catch (error) {
      // A stream that captures must be taken out of it, whatever became of the capture.
      this.api.calls.cuStreamEndCapture(stream, graph);
      if (graph[0] !== 0n) this.api.calls.cuGraphDestroy(graph[0]!);
      throw error;
    }
    this.#call('cuStreamEndCapture', stream, graph);
    return graph[0]!;
  }

  instantiateGraph(graph: Handle): Handle {
    return this.#made('cuGraphInstantiate', graph, 0);
  }

  launchGraph(exec: Handle, stream: Handle): void {
    this.#call('cuGraphLaunch', exec, stream);
  }

  destroyGraph(graph: Handle): void {
    this.#call('cuGraphDestroy', graph);
  }

  destroyGraphExec(exec: Handle): void {
    this.#call('cuGraphExecDestroy', exec);
  }

  /** A call that puts a handle at its first parameter. */
  #made<Name extends keyof CudaCalls>(
    name: Name,
    ...args: Parameters<CudaCalls[Name]> extends [Out, ...infer Rest] ? Rest : never
  ): Handle {
    const made = new BigUint64Array(1);
    this.#check(name, (this.api.calls[name] as (...args: unknown[]) => number)(made, ...args));
    return made[0]!;
  }

  #call<Name extends keyof CudaCalls>(name: Name, ...args: Parameters<CudaCalls[Name]>): void {
    this.#check(name, (this.api.calls[name] as (...args: unknown[]) => number)(...args));
  }

  #check(call: keyof CudaCalls, result: number, about?: string): void {
    if (result !== cuda.success) throw new CudaError(call, result, this.api.nameOf(result), about);
  }
}

/** Opens the library and initializes it, or says why it can't be used. Creates no context. */
export async function openDriver(): Promise<Driver | string> {
  const api = await openLibrary();
  return typeof api === 'string' ? api : initialized(api);
}

/** The checked driver over an API, or why it can't be used. */
export function initialized(api: CudaApi): Driver | string {
  const driver = new Driver(api);
  try {
    driver.initialize();
    return driver;
  } catch (error) {
    return withoutSource(error);
  }
}

/** An error's message without the package in front and the full stop behind, as a reason is written. */
export function withoutSource(error: unknown): string {
  return (error as Error).message.replace(/^\[kernels-cuda\] /, '').replace(/\.$/, '');
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? undefined : end));
}
