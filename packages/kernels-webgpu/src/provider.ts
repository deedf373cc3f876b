// Probing and opening: which adapter there is, what it offers, and what is asked of it.

import { type BackendProbe, type BackendProvider, FlashMLAError, type OpenOptions } from '@flashmla/tensor';
import { findGpu } from './gpu.ts';
import { type GivenDevice, WebGpuBackend } from './webgpu-backend.ts';

export interface WebGpuOpenOptions extends OpenOptions {
  /** A device of the caller's: used as it is, and not destroyed with the backend. */
  device?: GPUDevice;
  powerPreference?: GPUPowerPreference;
  /** Most bytes that tensors may take; default 4 GiB, for no device says how much it has. */
  memoryBytes?: number;
}

export interface WebGpuBackendProvider extends BackendProvider {
  open(options?: WebGpuOpenOptions): Promise<WebGpuBackend>;
}

const defaultMemoryBytes = 4 * 2 ** 30;
const wantedFeatures = ['timestamp-query', 'shader-f16'] as const satisfies readonly GPUFeatureName[];
const wantedLimits = ['maxBufferSize', 'maxStorageBufferBindingSize'] as const;

export const provider: WebGpuBackendProvider = {
  name: 'webgpu',

  async probe(): Promise<BackendProbe> {
    const adapter = await findAdapter({});
    if (typeof adapter === 'string') return { available: false, reason: adapter };
    const device = describe(adapter.info);
    return {
      // Opening it is possible all the same; to be chosen by itself it is too slow.
      available: !isSoftware(adapter.info),
      reason: isSoftware(adapter.info) ? `the only adapter runs on the CPU: ${device}` : device,
      device,
      features: namesOf(adapter.features),
      limits: Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]])),
    };
  },

  async open(options: WebGpuOpenOptions = {}): Promise<WebGpuBackend> {
    const { memoryBytes = defaultMemoryBytes, signal } = options;
    const device = options.device ?? (await requestDevice(options));
    if (signal?.aborted && !options.device) device.destroy();
    signal?.throwIfAborted();
    const given = (opened: GPUDevice) => givenDevice(opened, memoryBytes);
    const reopen = options.device ? undefined : async () => given(await requestDevice(options));
    return new WebGpuBackend({ ...given(device), reopen, memoryBytes });
  },
};

function givenDevice(device: GPUDevice, memoryBytes: number): GivenDevice {
  const { features, adapterInfo } = device;
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  return {
    device,
    info: {
      description: describe(adapterInfo),
      features: namesOf(features),
      limits: { memoryBytes, maxBufferSize, maxStorageBufferBindingSize, maxHeadDim: 256 },
    },
  };
}

async function requestDevice(options: WebGpuOpenOptions): Promise<GPUDevice> {
  const adapter = await findAdapter(options);
  if (typeof adapter === 'string') throw new FlashMLAError('backend-unavailable', `[kernels-webgpu] ${adapter}.`);
  return adapter.requestDevice({
    label: 'flashmla',
    requiredFeatures: wantedFeatures.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]])),
  });
}

/** Of the features that are wanted those that are there, and what they make possible by the name it has on all backends. */
function namesOf(features: ReadonlySet<string>): string[] {
  const there = wantedFeatures.filter((feature) => features.has(feature));
  return features.has('shader-f16') ? [...there, 'float16'] : there;
}

/** The adapter, or why there is none. */
async function findAdapter({ powerPreference }: WebGpuOpenOptions): Promise<GPUAdapter | string> {
  const gpu = await findGpu();
  if (typeof gpu === 'string') return gpu;
  const adapter = await gpu.requestAdapter(powerPreference && { powerPreference });
  return adapter ?? 'WebGPU is there, but gives no adapter: no GPU, or its driver is not supported';
}

/** 'NVIDIA hopper, NVIDIA H100 80GB HBM3', or what of it is known. */
function describe({ vendor, architecture, description, device }: GPUAdapterInfo): string {
  const parts = [[vendor, architecture].filter(Boolean).join(' '), description || device].filter(Boolean);
  return parts.join(', ') || 'a GPU that gives no name';
}

/** Adapters that compute on the CPU, more slowly than the CPU backend does. */
function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(describe(info));
}
