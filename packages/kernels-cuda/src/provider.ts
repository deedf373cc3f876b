// Probing and opening: which driver and GPUs there are, and the one that is opened.

import { type BackendProbe, type BackendProvider, FlashMLAError, type OpenOptions } from '@flashmla/tensor';
import { type CublasApi, openCublas } from './cublas.ts';
import { CudaBackend } from './cuda-backend.ts';
import { type CudaDevice, chooseDevice, driverVersions, findDevices, lineOf, unsupported } from './devices.ts';
import { type Driver, openDriver } from './driver.ts';
import { loadFatbin } from './fatbin.ts';

export interface CudaOpenOptions extends OpenOptions {
  /**
   * The GPU: its index among those that CUDA shows, or how its UUID ('GPU-8f5d…') or PCI bus id ('0000:01') begins. Default:
   * the first that the kernels run on.
   */
  device?: number | string;
  /** Most bytes that tensors may take; default: all that the device has. */
  memoryBytes?: number;
  /** The kernels, where they do not lie in this package: bundled elsewhere, or built for one device (docs/cuda.md). */
  fatbin?: Uint8Array;
  /** Whether ops that come again in the same order are launched as one graph; default true. Some tools want false. */
  graphs?: boolean;
  /**
   * Where cuBLASLt lies, which does dense products; default: wherever the system finds libcublasLt.so.13 or .12 by name. Where
   * there is none this package's own kernels do them, as with false.
   */
  cublas?: string | false;
}

export interface CudaBackendProvider extends BackendProvider {
  open(options?: CudaOpenOptions): Promise<CudaBackend>;
  /**
   * Every GPU that CUDA shows, in its order, also those that the kernels don't run on. Opens none.
   *
   * @throws FlashMLAError 'backend-unavailable' when there is no driver or no device
   */
  devices(): Promise<readonly CudaDevice[]>;
}

export const provider: CudaBackendProvider = providerOver(openDriver, loadFatbin, openCublas);

/** A provider over any driver and cuBLASLt: the machine's own, or some in memory. */
export function providerOver(
  open: () => Promise<Driver | string>,
  image: () => Promise<Uint8Array>,
  cublas: (path?: string) => Promise<CublasApi | string>,
): CudaBackendProvider {
  const find = async (leastVersion?: number) => {
    const driver = await open();
    if (typeof driver === 'string') return driver;
    const devices = findDevices(driver, leastVersion);
    return typeof devices === 'string' ? devices : { driver, devices };
  };

  const found = async (leastVersion?: number) => {
    const result = await find(leastVersion);
    if (typeof result === 'string') throw new FlashMLAError('backend-unavailable', `[kernels-cuda] ${result}.`);
    return result;
  };

  return {
    name: 'cuda',

    async probe(): Promise<BackendProbe> {
      const result = await find();
      if (typeof result === 'string') return { available: false, reason: result };
      const usable = result.devices.filter((device) => !unsupported(device));
      const [first] = usable;
      if (!first) return { available: false, reason: result.devices.map(unsupported).join('; ') };
      const device = usable.map((each) => (usable.length > 1 ? `${each.index}: ` : '') + lineOf(each)).join('; ');
      const { memoryBytes, computeCapability, multiprocessors } = first;
      return {
        available: true,
        reason: device,
        device,
        features: ['float16', 'bfloat16', 'graphs'],
        limits: { devices: usable.length, memoryBytes, computeCapability, multiprocessors },
      };
    },

    async devices() {
      return (await found()).devices;
    },

    async open(options: CudaOpenOptions = {}): Promise<CudaBackend> {
      const { memoryBytes, graphs = true, signal } = options;
      signal?.throwIfAborted();
      const { driver, devices } = await found(options.fatbin && driverVersions.least);
      const device = chooseDevice(devices, options.device);
      const kernels = options.fatbin ?? (await image());
      const products = options.cublas === false ? 'it was not asked for' : await cublas(options.cublas);
      signal?.throwIfAborted();
      return new CudaBackend({
        driver,
        device,
        image: kernels,
        memoryBytes: Math.min(memoryBytes ?? device.memoryBytes, device.memoryBytes),
        graphs,
        cublas: products,
      });
    },
  };
}
