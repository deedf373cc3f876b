// Which GPUs there are, which of them the kernels run on, and the one that is meant. Creates no context.

import { FlashMLAError } from '@flashmla/tensor';
import { type Driver, withoutSource } from './driver.ts';
import type { CudaTraits } from './plan.ts';

/** Versions of the driver, as cuDriverGetVersion gives them. */
export const driverVersions = {
  /** The package's fatbin is built with CUDA 13, whose code older ones don't load. */
  ofOurFatbin: 13000,
  /** For a fatbin of the caller's: the oldest whose functions are called. */
  least: 12000,
} as const;
/** Ten times the compute capability: Ampere. */
export const leastComputeCapability = 80;

/** One GPU. */
export interface CudaDevice extends CudaTraits {
  /** Its place among the devices that this process sees: CUDA_VISIBLE_DEVICES counts. */
  readonly index: number;
  readonly name: string;
  /** As nvidia-smi -L writes it: 'GPU-8f5d3c1a-…'. */
  readonly uuid: string;
  /** '0000:01:00.0' */
  readonly pciBusId: string;
  readonly memoryBytes: number;
  /** Whether it shares the host's memory, as on Jetson. */
  readonly integrated: boolean;
  /** What the driver's calls name it by. */
  readonly ordinal: number;
}

/** Every GPU that the driver shows, in its order; or why nothing runs on any. @param least version of the driver */
export function findDevices(
  driver: Driver,
  least: number = driverVersions.ofOurFatbin,
): readonly CudaDevice[] | string {
  try {
    const version = driver.version();
    if (version < least) {
      return `the NVIDIA driver is too old: it knows CUDA ${release(version)}, and the kernels need ${release(least)}; update it (docs/cuda.md)`;
    }
    const count = driver.deviceCount();
    if (count === 0) return 'the NVIDIA driver shows this process no device; look at CUDA_VISIBLE_DEVICES';
    return Array.from({ length: count }, (_, index) => describe(driver, index));
  } catch (error) {
    return withoutSource(error);
  }
}

function describe(driver: Driver, index: number): CudaDevice {
  const device = driver.device(index);
  const major = driver.attribute(device, 'computeCapabilityMajor');
  const minor = driver.attribute(device, 'computeCapabilityMinor');
  return {
    index,
    name: driver.deviceName(device),
    uuid: driver.uuid(device),
    pciBusId: driver.pciBusId(device),
    memoryBytes: driver.totalMemory(device),
    integrated: driver.attribute(device, 'integrated') !== 0,
    computeCapability: 10 * major + minor,
    multiprocessors: driver.attribute(device, 'multiprocessors'),
    sharedBytesPerBlock: driver.attribute(device, 'sharedBytesPerBlock'),
    ordinal: device,
  };
}

/** Why the kernels don't run on a device; undefined where they do. */
export function unsupported({ name, computeCapability }: CudaDevice): string | undefined {
  if (computeCapability >= leastComputeCapability) return undefined;
  return `${name} has compute capability ${capability(computeCapability)}, and the kernels need ${capability(leastComputeCapability)} (Ampere) or later`;
}

/**
 * The device that is meant: by index, by UUID or by PCI bus id, the latter two also by how they begin; without a choice the
 * first that the kernels run on.
 *
 * @throws FlashMLAError 'invalid-argument' when there is none such, 'backend-unavailable' when the kernels don't run on it
 */
export function chooseDevice(devices: readonly CudaDevice[], choice?: number | string): CudaDevice {
  const matching = choice === undefined ? devices : devices.filter((device) => isMeant(device, choice));
  const others = devices.map(({ index, name, uuid, pciBusId }) => `${index} ${name} ${uuid} ${pciBusId}`).join('; ');
  if (matching.length === 0) {
    throw new FlashMLAError('invalid-argument', `[kernels-cuda] no device '${choice}'; give one of these: ${others}.`);
  }
  if (choice !== undefined && matching.length > 1) {
    throw new FlashMLAError(
      'invalid-argument',
      `[kernels-cuda] '${choice}' is how more than one device begins; give one of these: ${others}.`,
    );
  }
  const chosen = matching.find((device) => unsupported(device) === undefined);
  if (chosen) return chosen;
  const reasons = matching.map(unsupported).join('; ');
  throw new FlashMLAError('backend-unavailable', `[kernels-cuda] ${reasons}; use another device or backend.`);
}

function isMeant({ index, uuid, pciBusId }: CudaDevice, choice: number | string): boolean {
  if (typeof choice === 'number') return index === choice;
  if (choice === '') return false;
  return [uuid, pciBusId].some((id) => id.toLowerCase().startsWith(choice.toLowerCase()));
}

/** 'NVIDIA H100 80GB HBM3, compute capability 9.0, 132 SMs, 79.1 GiB' */
export function lineOf({ name, computeCapability, multiprocessors, memoryBytes, integrated }: CudaDevice): string {
  const memory = `${(memoryBytes / 2 ** 30).toFixed(1)} GiB${integrated ? ' shared with the host' : ''}`;
  return `${name}, compute capability ${capability(computeCapability)}, ${multiprocessors} SMs, ${memory}`;
}

const capability = (tenTimes: number) => (tenTimes / 10).toFixed(1);
/** '13.0' for 13000. */
const release = (version: number) => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
