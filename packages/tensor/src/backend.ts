// The contract between what wants to be computed and what computes it.
//
// A backend owns memory and runs ops (ops/) on it, in the order they are dispatched. It is not a tensor library:
// it knows no broadcasting, no autograd, no model and no gate, never reads back unless asked, and never falls back to
// another backend. A problem it can't do is refused by `supports`, with the reason and with what would do.

import type { DType, Quantization, TypedArray } from './dtype.ts';
import type { Problem } from './ops/index.ts';
import type { Profile } from './profile.ts';
import type { DeviceTensor, HostTensor, Tensor } from './tensor.ts';

export type BackendName = 'cuda' | 'webgpu' | 'native' | 'webgl' | 'cpu';

/** What a backend runs on. */
export interface DeviceInfo {
  /** One line for people: device, threads, instruction set, and why it is less than it could be, if so. */
  readonly description: string;
  /** Named capabilities in use, e.g. 'simd128', 'relaxed-simd', 'threads'. 'float16', 'bfloat16', 'int8': ops are done in that precision too. */
  readonly features: readonly string[];
  /** Hard limits by name, e.g. { maxHeadDim: 256, memoryBytes: 4294967296 }. */
  readonly limits: Readonly<Record<string, number>>;
  /** Threads that compute, where that means anything. */
  readonly threads?: number;
}

export interface MemoryInfo {
  readonly usedBytes: number;
  /** Most bytes in use at once since the backend was opened, or since `resetPeak`. */
  readonly peakBytes: number;
  readonly limitBytes: number;
}

/** What running a problem takes, decided without touching the device. */
export interface Plan {
  /** Memory beyond inputs and outputs, held while the op runs. */
  readonly scratchBytes: number;
  /** Multiply-adds that contribute to the result. */
  readonly usefulMultiplyAdds: number;
  /** Multiply-adds the kernel issues, padding and masked lanes included; useful ÷ issued is the compute density. */
  readonly issuedMultiplyAdds: number;
}

/** Why a backend does not do a problem, and what would do. */
export interface Refusal {
  readonly reason: string;
  readonly advice: string;
}

export type Support = ({ readonly supported: true } & Plan) | ({ readonly supported: false } & Refusal);

/** A problem made ready to run: compiled, tuned, cached by the problem's key. Where a device can be lost it ends with it. */
export interface Program {
  readonly problem: Problem;
  readonly plan: Plan;
}

export interface PrepareOptions {
  /** One of `variants(problem)`; default: what is preferred for problems of its class, or the first. */
  variant?: string;
}

export interface UploadOptions {
  /**
   * 'linear-weight': a [outFeatures, inFeatures] matrix that only `linear` reads. The backend may keep it in a layout
   * (and precision) of its own, packed once.
   */
  purpose?: 'linear-weight';
  /**
   * Of a linear weight: its rows are quantized once, for `linear` of the same quantization (ops/linear.ts). For backends whose
   * device.features name it.
   */
  quantization?: Quantization;
  /** Brings the tensor back after its device was lost, see `recover`; without it the tensor is gone then. */
  restore?: Restore;
}

/**
 * The same elements that were uploaded, from where they came: nothing has to be kept for a loss that may never happen.
 *
 * @param signal the same for all tensors of one recovery, so that they can share what they read from; aborts when the
 *   backend is disposed meanwhile
 */
export type Restore = (signal: AbortSignal) => HostTensor | Promise<HostTensor>;

export interface DispatchOptions {
  /** Work that has not begun when the signal aborts is skipped; reading its outputs then rejects. */
  signal?: AbortSignal | undefined;
}

export type Tensors = Readonly<Record<string, DeviceTensor>>;

export interface Backend extends AsyncDisposable {
  readonly name: BackendName;
  readonly device: DeviceInfo;

  /** Whether and how `problem` would run, the way that `prepare` takes. Pure: allocates nothing. */
  supports(problem: Problem): Support;

  /** Memory for a tensor, its contents undefined. Raises OutOfMemoryError, and leaves everything as it was. */
  allocate(shape: readonly number[], dtype: DType): DeviceTensor;
  /** A copy of a host tensor on the device; the host's array may be reused at once. */
  upload(source: HostTensor, options?: UploadOptions): DeviceTensor;
  /**
   * Rows `start` to `end` of a tensor, `end` not included, as a tensor of `shape`, or [end − start, features]. A row is what the last axis
   * holds. It lies in the same memory: what is written to the one is read from the other, in the order of the work. The memory
   * goes back when the tensor and all its views are disposed, whichever comes last. Absent on backends without views.
   *
   * @throws FlashMLAError 'invalid-argument' for rows that are not there, and a shape of more or fewer
   *   elements; for a tensor that was uploaded for a purpose
   */
  rows?(source: DeviceTensor, start: number, end: number, shape?: readonly number[]): DeviceTensor;
  /**
   * The elements, once all work dispatched before is done. Rejects with the reason of the signal when the op that writes
   * them was skipped: what was not computed is never handed out as a result.
   */
  read(source: DeviceTensor): Promise<TypedArray>;
  /** Called by `dispose` of a tensor. Work already dispatched still sees it. */
  free(source: Tensor): void;
  memory(): MemoryInfo;
  /** Makes what is in use now the new peak. */
  resetPeak(): void;

  /** The ways to run a supported problem here, each within the op's tolerances; first what it is by default. */
  variants(problem: Problem): readonly string[];
  /**
   * From now on, problems of a class (`shapeClass`) are prepared this way, those that have it: what is unknown is ignored,
   * for it may come from another version's measurements.
   */
  prefer(shapeClass: string, variant: string): void;
  /** @throws FlashMLAError 'unsupported'; 'invalid-argument' for a variant that the problem does not have */
  prepare(problem: Problem, options?: PrepareOptions): Promise<Program>;
  /** Queues one op; inputs and outputs by the names its declaration gives. Returns before it ran. */
  dispatch(program: Program, inputs: Tensors, outputs: Tensors, options?: DispatchOptions): void;
  /** Resolves when all dispatched work is done; rejects when any of it failed. */
  synchronize(): Promise<void>;
  /**
   * Runs `work` and times every op that is dispatched until it ends, whoever dispatches it. Waits for earlier work before
   * and for that of `work` after. One profile at a time: a second one meanwhile is an 'invalid-argument'. When `work`
   * rejects, so does this; the backend goes on either way. Ops cost nothing more while no profile is taken.
   */
  profile<T>(work: () => Promise<T>): Promise<Profile<T>>;

  /**
   * Brings a lost device back: opens it again and uploads again what has `restore`. Resolves at once where nothing was
   * lost; concurrent calls share one recovery. One that fails leaves everything as it was, and the next call tries anew.
   *
   * A device is lost when its driver restarts or the browser takes it away. What was in flight then rejects with
   * 'device-lost', and so does every call until the backend is recovered. What is gone for good raises it afterwards too:
   * programs prepared before, and tensors without `restore`, or written by an op since; disposing them stays harmless.
   *
   * @throws FlashMLAError 'backend-unavailable' when the device can't be opened again; 'device-lost' when it was lost once
   *   more meanwhile, or when it is the caller's own; OutOfMemoryError; what a `restore` raises
   */
  recover(): Promise<void>;

  /** Ends the backend: threads stop, memory is released. What is in flight rejects. */
  dispose(): Promise<void>;
}

/** What a probe finds, without opening anything that stays open. */
export interface BackendProbe {
  readonly available: boolean;
  /** Why it is not available, or which device it would run on. */
  readonly reason: string;
  readonly device?: string;
  readonly features?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
}

export interface OpenOptions {
  /** Threads that compute, for backends that have them; default: the cores there are. */
  threads?: number;
  signal?: AbortSignal;
}

/** What each kernels package exports as `provider`; the selector needs nothing else of it. */
export interface BackendProvider {
  readonly name: BackendName;
  probe(): Promise<BackendProbe>;
  open(options?: OpenOptions): Promise<Backend>;
}
