// A device that is lost: what the contract promises of it, and what is this backend's own: a device of the caller's, and
// devices that can't be had again.

import { testLoss } from '@flashmla/conformance/vitest';
import { FlashMLAError, tensor } from '@flashmla/tensor';
import { afterEach, expect, it, vi } from 'vitest';
import { create } from 'webgpu';
import { provider, type WebGpuBackend } from '../../dist/index.js';
import { describeOnDevice } from './support.ts';

const elements = () => tensor(Float32Array.of(1, 2, 3, 4), [4]);

async function errorOf(promise: Promise<unknown>): Promise<FlashMLAError> {
  const error = await promise.then(
    () => 'nothing was raised',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FlashMLAError);
  return error as FlashMLAError;
}

/** Puts another WebGPU into the process than the one that the package finds. */
function replaceGpu(requestAdapter: () => Promise<unknown>): void {
  vi.stubGlobal('navigator', { gpu: { requestAdapter } });
}

describeOnDevice('a lost device', () => {
  testLoss(
    'WebGPU',
    () => provider.open(),
    (backend) => (backend as WebGpuBackend).gpu.destroy(),
  );

  afterEach(() => {
    vi.unstubAllGlobals();
  });

  async function openAndLose() {
    const backend = await provider.open();
    const held = backend.upload(elements(), { restore: elements });
    const lost = backend.gpu;
    lost.destroy();
    await errorOf(held.data());
    return { backend, held, lost };
  }

  it('says what happened and what to do', async () => {
    const { backend, held } = await openAndLose();
    const { code, message } = await errorOf(held.data());
    expect(code).toBe('device-lost');
    expect(message).toMatch(
      /^\[kernels-webgpu\] the GPU device was lost \(.+\), and with it what was under way\. Run it /,
    );
    await backend.dispose();
  });

  it('is another device afterwards', async () => {
    const { backend, held, lost } = await openAndLose();
    await backend.recover();
    expect(backend.gpu).not.toBe(lost);
    expect(backend.device.description).toContain(lost.adapterInfo.vendor);
    expect([...((await held.data()) as Float32Array)]).toEqual([1, 2, 3, 4]);
    await backend.dispose();
  });

  it('that is the caller’s is not replaced', async () => {
    const lender = await provider.open();
    const backend = await provider.open({ device: lender.gpu });
    const held = backend.upload(elements(), { restore: elements });
    lender.gpu.destroy();
    for (const error of [await errorOf(held.data()), await errorOf(backend.recover())]) {
      expect(error.code).toBe('device-lost');
      expect(error.message).toContain("It is the caller's own: open a new backend with a new device.");
    }
    await backend.dispose();
    await lender.dispose();
  });

  it('that can’t be opened again is an error each time, until it can', async () => {
    const { backend, held } = await openAndLose();
    replaceGpu(async () => null);
    for (let time = 0; time < 2; time++) {
      const { code, message } = await errorOf(backend.recover());
      expect(code).toBe('backend-unavailable');
      expect(message).toMatch(/was lost and can't be opened again: .*gives no adapter.* use another backend\.$/);
    }
    vi.unstubAllGlobals();
    await backend.recover();
    expect([...((await held.data()) as Float32Array)]).toEqual([1, 2, 3, 4]);
    await backend.dispose();
  });

  it('that is lost again while it is opened is an error, and opened by the next call', async () => {
    const { backend, held } = await openAndLose();
    const gpu = create([]);
    let opened = 0;
    replaceGpu(async () => {
      const adapter = (await gpu.requestAdapter())!;
      return {
        info: adapter.info,
        features: adapter.features,
        limits: adapter.limits,
        async requestDevice(descriptor: GPUDeviceDescriptor) {
          const device = await adapter.requestDevice(descriptor);
          if (++opened === 1) device.destroy();
          return device;
        },
      };
    });
    expect((await errorOf(backend.recover())).code).toBe('device-lost');
    expect(opened).toBe(1);
    await backend.recover();
    expect(opened).toBe(2);
    expect([...((await held.data()) as Float32Array)]).toEqual([1, 2, 3, 4]);
    await backend.dispose();
  });
});
