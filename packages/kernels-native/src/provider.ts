// Probing and opening: whether there is an addon for this platform, and which of its builds this CPU runs.

import {
  type BackendProbe,
  type BackendProvider,
  type DeviceInfo,
  FlashMLAError,
  type OpenOptions,
} from '@flashmla/tensor';
import { type Addon, type Architecture, loadAddon, requireAddon } from './addon.ts';
import { Executor } from './executor.ts';
import { NativeBackend } from './native-backend.ts';
import { nativeDTypes } from './plan.ts';

export interface NativeOpenOptions extends OpenOptions {
  /** Which build of the kernels to run, e.g. 'avx2'; default: the best that this CPU has. */
  architecture?: string;
}

export interface NativeBackendProvider extends BackendProvider {
  open(options?: NativeOpenOptions): Promise<NativeBackend>;
}

/** More threads than any machine has cores is a slip. */
const MAXIMUM_THREADS = 256;

/** What the builds are called. */
const titles: Readonly<Record<string, string>> = {
  amx: 'AMX',
  avx512bf16: 'AVX-512 with BF16 and VNNI',
  avx512vnni: 'AVX-512 with VNNI',
  avx512: 'AVX-512',
  avx2: 'AVX2',
  neon: 'NEON',
};

const os = () => process.getBuiltinModule('node:os');

function deviceOf(architecture: Architecture, threads: number): DeviceInfo & { threads: number } {
  const [cpu] = os().cpus();
  return {
    description: `${threads} ${threads === 1 ? 'thread' : 'threads'}, ${titles[architecture.name]}, ${cpu?.model.trim() || process.arch}`,
    features: [architecture.name, 'threads', ...nativeDTypes.filter((dtype) => dtype !== 'float32'), 'int8'],
    // Under a limit of a container there is no more; Node has the function from 20.12 on, and gives 0 where there is none.
    limits: { memoryBytes: Math.min(os().totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) },
    threads,
  };
}

/** The build to run. Raises FlashMLAError when there is none of that name, or this CPU does not run it. */
function architectureOf({ architectures }: Addon, wanted: string | undefined): Architecture {
  const able = architectures.filter(({ supported }) => supported);
  const found = wanted === undefined ? able[0] : able.find(({ name }) => name === wanted);
  if (found) return found;
  if (wanted === undefined)
    throw new FlashMLAError('backend-unavailable', `[kernels-native] ${tooOld(architectures)}.`);
  throw new FlashMLAError(
    'invalid-argument',
    `[kernels-native] architecture is '${wanted}'; this CPU runs ${able.map(({ name }) => name).join(', ')}. Leave it out for the best.`,
  );
}

const tooOld = (architectures: readonly Architecture[]) =>
  `this CPU has none of the instruction sets that there are kernels for: ${architectures.map(({ name }) => titles[name]).join(', ')}`;

export const provider: NativeBackendProvider = {
  name: 'native',

  async probe(): Promise<BackendProbe> {
    const addon = loadAddon();
    if (typeof addon === 'string') return { available: false, reason: addon };
    const architecture = addon.architectures.find(({ supported }) => supported);
    if (!architecture) return { available: false, reason: tooOld(addon.architectures) };
    const { description, features, limits } = deviceOf(architecture, os().availableParallelism());
    return { available: true, reason: description, device: description, features, limits };
  },

  async open({ threads = os().availableParallelism(), architecture, signal }: NativeOpenOptions = {}) {
    const addon = requireAddon();
    if (!Number.isSafeInteger(threads) || threads < 1 || threads > MAXIMUM_THREADS) {
      throw new FlashMLAError(
        'invalid-argument',
        `[kernels-native] threads is ${threads}; expected a whole number from 1 to ${MAXIMUM_THREADS}. Leave it out for the ` +
          `${os().availableParallelism()} that this machine has.`,
      );
    }
    signal?.throwIfAborted();
    const chosen = architectureOf(addon, architecture);
    const executor = new Executor(addon, chosen, threads);
    return new NativeBackend(addon, chosen, executor, deviceOf(chosen, threads));
  },
};
