// What a failed call of the driver is told as: the call, the code's name, and what to do about it.

import { type ErrorCode, FlashMLAError } from '@flashmla/tensor';

/** Codes of CUresult (cuda.h) that this package tells apart. */
export const cuda = {
  success: 0,
  outOfMemory: 2,
  stubLibrary: 34,
  noDevice: 100,
  notReady: 600,
} as const;

const report = 'Report it, with the name of the device and the version of the driver';
const busy = 'Something else uses the device: look at it with nvidia-smi, or choose another device';
const hardware =
  'Look for Xid messages of the driver (dmesg), then restart the process, or the machine if it comes again';
const restart = 'Restart the process: the driver gives this context no more work. compute-sanitizer names the kernel';
const rebuilt = 'Update the driver, or build the fatbin for this device (docs/cuda.md)';

const advices: Readonly<Record<number, string>> = {
  2: 'Run smaller batches or shorter inputs, dispose tensors that are no longer needed, or end what else uses the device',
  3: 'Restart the process',
  4: 'The process is ending: dispose backends before it does',
  34: 'The library found is the stub of the toolkit: install the NVIDIA driver, and take the stub off the library path',
  36: 'Update the NVIDIA driver',
  46: busy,
  100: 'Install an NVIDIA GPU, or let this process see it: CUDA_VISIBLE_DEVICES, and in containers the NVIDIA runtime',
  101: 'Choose one of the devices that there are',
  200: rebuilt,
  209: rebuilt,
  214: hardware,
  218: rebuilt,
  220: hardware,
  221: rebuilt,
  222: rebuilt,
  223: 'Unset CUDA_DISABLE_PTX_JIT, or build the fatbin for this device (docs/cuda.md)',
  500: 'Build the fatbin again (docs/cuda.md): it does not hold what this version of the package launches',
  700: restart,
  702: 'The system ended a kernel that ran too long, as it does where the device also draws a screen: run smaller batches',
  710: restart,
  714: restart,
  715: restart,
  716: restart,
  717: restart,
  718: restart,
  719: restart,
  721: restart,
  802: 'The system is starting, or its fabric manager is not: wait, then look at nvidia-smi -q',
  803: 'The driver in the kernel and its library differ: restart the machine, as an update of the driver needs',
  804: 'This device takes no driver of another version beside its own: update the driver itself',
};

/** After these the context is of no more use: every later call gives them again. */
const endsContext = new Set([4, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999]);

/** A call of the CUDA driver failed. */
export class CudaError extends FlashMLAError {
  /** The function of the driver API, e.g. 'cuLaunchKernel'. */
  readonly call: string;
  /** What it gave: a CUresult. */
  readonly result: number;

  /** @param resultName the driver's name of the code @param about what the call was for: '256 bytes', a kernel's name */
  constructor(call: string, result: number, resultName: string, about?: string) {
    const advice = advices[result] ?? report;
    super(codeOf(result), `[kernels-cuda] ${call}${about ? ` (${about})` : ''} failed: ${resultName}. ${advice}.`);
    this.call = call;
    this.result = result;
  }

  /** Whether the context it happened in does no more work. */
  get endsContext(): boolean {
    return endsContext.has(this.result);
  }
}

function codeOf(result: number): ErrorCode {
  if (result === cuda.outOfMemory) return 'out-of-memory';
  return endsContext.has(result) ? 'device-lost' : 'backend-failed';
}
