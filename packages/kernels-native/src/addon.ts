// The addon, native/addon.cpp: where it comes from, and what it has. It is built for each platform, as a package of its own
// that npm installs where it fits (optionalDependencies), and none where it does not.

import { FlashMLAError, type TypedArray } from '@flashmla/tensor';

/** An address of memory; 2^53 is beyond all that there is. */
export type Address = number;
/** An engine: threads that run commands. */
export type EngineHandle = unknown;

export interface Addon {
  /** The builds of the kernels, the best first. */
  readonly architectures: readonly Architecture[];
  /** 0 when there is no memory. */
  allocate(byteLength: number): Address;
  free(address: Address): void;
  write(address: Address, elements: TypedArray): void;
  /** Where the elements of an array are, which is to be kept until the commands that fill it are done. */
  addressOf(elements: TypedArray): Address;
  /** @param reached called when a command that was asked for with `notifyAt` is done */
  open(architecture: number, threads: number, reached: () => void): EngineHandle;
  close(engine: EngineHandle): void;
  /**
   * Queues a command.
   *
   * @param kernel its number in the architecture's list
   * @param skipGroup commands of the same number, other than 0, are skipped together
   * @param times gets for each thread when it began to take tasks and when it found no more (`now`); to be kept until then
   * @returns the command's number, counted from 1
   */
  submit(
    engine: EngineHandle,
    kernel: number,
    tasks: number,
    words: Float64Array,
    scratch: Address,
    scratchStride: number,
    skipGroup: number,
    times?: Float64Array,
  ): number;
  /** Commands that are done. */
  completed(engine: EngineHandle): number;
  /** Asks to be told once when a command is done; false when it is already. Replaces what was asked before. */
  notifyAt(engine: EngineHandle, sequence: number): boolean;
  /** Whether the process stays alive for what is in flight. */
  hold(engine: EngineHandle, held: boolean): void;
  /** Leaves no more tasks to the commands of a group. @returns the first of them that was not done, or 0 */
  skip(engine: EngineHandle, skipGroup: number): number;
  /** Milliseconds of the clock that commands are timed with. */
  now(): number;
}

/** One build of the kernels. */
export interface Architecture {
  readonly name: string;
  /** Whether this CPU, and the system it runs under, can run it. */
  readonly supported: boolean;
  /** float32 in a vector. */
  readonly lanes: number;
  /** Whether bfloat16 is multiplied as it is; otherwise it is widened. */
  readonly bfloat16Products: boolean;
  /** int8 in 32 bits of a packed operand: 4, or 2 where they are multiplied as int16. */
  readonly int8PerUnit: number;
  /** Whether there is AMX. */
  readonly tiles: boolean;
  readonly kernels: readonly string[];
}

/** The platforms that there are packages for, by Node's names. */
const platforms: readonly string[] = ['linux-x64', 'linux-arm64'];

/** The addon for this platform, or why there is none. */
export function loadAddon(): Addon | string {
  const { process } = globalThis;
  const module = process?.getBuiltinModule?.('node:module');
  if (!module) return 'it needs Node; browsers compute on WASM and GPUs';
  const platform = `${process.platform}-${process.arch}`;
  if (!platforms.includes(platform))
    return `there is no build for ${platform}; there are for ${platforms.join(' and ')}`;
  if (isMusl(process)) return `there is no build for ${platform} with musl; there are for systems with glibc`;
  const name = `@flashmla/kernels-native-${platform}`;
  // FLASHMLA_NATIVE_ADDON: a build of another kind, with sanitizers.
  const file = process.env.FLASHMLA_NATIVE_ADDON ?? name;
  try {
    return module.createRequire(import.meta.url)(file) as Addon;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = message.split('\n', 1)[0];
    if (code !== 'MODULE_NOT_FOUND') return `${file} does not load: ${reason}`;
    return `${file} is not there: npm leaves it out with --omit=optional; in this repository it is built where there is a C++ compiler`;
  }
}

function isMusl({ platform, report }: NodeJS.Process): boolean {
  if (platform !== 'linux') return false;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
}

/** Raises FlashMLAError 'backend-unavailable' when there is none. */
export function requireAddon(): Addon {
  const addon = loadAddon();
  if (typeof addon === 'string') throw new FlashMLAError('backend-unavailable', `[kernels-native] ${addon}.`);
  return addon;
}
