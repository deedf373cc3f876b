// Probing and opening: every reason why there is none, several GPUs, and a probe that creates nothing.

import { FlashMLAError } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { initialized } from '../src/driver.ts';
import { providerOver } from '../src/provider.ts';
import { type FakeDevice, FakeDriver } from './fake-driver.ts';
import { fakeProvider, image } from './support.ts';

const turing: FakeDevice = { name: 'Tesla T4', computeCapability: [7, 5] };
const ampere: FakeDevice = { name: 'NVIDIA A100', computeCapability: [8, 0], memoryBytes: 40 * 2 ** 30 };
const hopper: FakeDevice = { name: 'NVIDIA H200', computeCapability: [9, 0], memoryBytes: 141 * 2 ** 30 };
const orin: FakeDevice = { name: 'Orin', computeCapability: [8, 7], integrated: true };

const noCublas = () => Promise.reject(new Error('nobody asked for cuBLASLt'));

const probeOf = (fake: FakeDriver) =>
  providerOver(
    async () => initialized(fake),
    async () => image,
    noCublas,
  ).probe();

describe('probe', () => {
  it.each([
    ['no device', new FakeDriver({ devices: [] }), /^cuInit failed: CUDA_ERROR_NO_DEVICE\. Install an NVIDIA GPU/],
    ['an old driver', new FakeDriver({ version: 12040 }), /too old: it knows CUDA 12\.4, and the kernels need 13\.0/],
    [
      'an old GPU',
      new FakeDriver({ devices: [turing] }),
      /Tesla T4 has compute capability 7\.5, and the kernels need 8\.0/,
    ],
  ])('says why there is none: %s', async (_, fake, reason) => {
    const { available, reason: told, device } = await probeOf(fake);
    expect(available).toBe(false);
    expect(told).toMatch(reason);
    expect(told).not.toMatch(/\n|\.$/);
    expect(device).toBeUndefined();
  });

  it('passes on what the library said', async () => {
    const provider = providerOver(
      async () => 'no NVIDIA driver: libcuda.so.1 does not load',
      async () => image,
      noCublas,
    );
    expect(await provider.probe()).toEqual({
      available: false,
      reason: 'no NVIDIA driver: libcuda.so.1 does not load',
    });
    await expect(provider.open()).rejects.toMatchObject({ code: 'backend-unavailable' });
    await expect(provider.devices()).rejects.toThrow('libcuda.so.1');
  });

  it('names every GPU that the kernels run on, and creates no context', async () => {
    const fake = new FakeDriver({ devices: [turing, hopper, orin] });
    const { available, reason, limits } = await probeOf(fake);
    expect(available).toBe(true);
    expect(reason).toBe(
      '1: NVIDIA H200, compute capability 9.0, 132 SMs, 141.0 GiB; ' +
        '2: Orin, compute capability 8.7, 132 SMs, 8.0 GiB shared with the host',
    );
    expect(limits).toMatchObject({ devices: 2, memoryBytes: 141 * 2 ** 30, computeCapability: 90 });
    expect(fake.contexts.size).toBe(0);
    expect(fake.held).toEqual([]);
  });
});

describe('open', () => {
  const fakes = () => new FakeDriver({ devices: [turing, ampere, hopper] });

  it.each([
    [undefined, 1],
    [2, 2],
    ['GPU-66', 2],
    ['gpu-65010203', 1],
    ['0000:03', 2],
  ])('device %s is the GPU at %d', async (device, index) => {
    const fake = fakes();
    await using backend = await fakeProvider(fake).open(device === undefined ? {} : { device });
    expect(backend.gpu.index).toBe(index);
    expect(backend.device.description).toContain([turing, ampere, hopper][index]!.name);
    expect([...fake.contexts]).toEqual([[100 + index, 1]]);
  });

  it.each([
    [3, 'invalid-argument', 'give one of these: 0 Tesla T4 GPU-64'],
    ['GPU-', 'invalid-argument', 'more than one device begins'],
    ['', 'invalid-argument', "no device ''"],
    [0, 'backend-unavailable', 'Tesla T4 has compute capability 7.5'],
  ])('device %s is refused', async (device, code, message) => {
    const fake = fakes();
    const error = (await fakeProvider(fake)
      .open({ device })
      .catch((reason: unknown) => reason)) as FlashMLAError;
    expect(error).toBeInstanceOf(FlashMLAError);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(fake.contexts.size).toBe(0);
  });

  it('two backends share the primary context of a device, and each releases its own hold', async () => {
    const fake = fakes();
    const provider = fakeProvider(fake);
    const [first, second] = [await provider.open(), await provider.open()];
    expect([...fake.contexts]).toEqual([[101, 2]]);
    await first.dispose();
    expect([...fake.contexts]).toEqual([[101, 1]]);
    await second.dispose();
    expect(fake.held).toEqual([]);
  });

  it('an older driver takes a fatbin of the caller, and not ours', async () => {
    const fake = new FakeDriver({ version: 12060, devices: [orin] });
    const provider = fakeProvider(fake);
    await expect(provider.open()).rejects.toThrow('too old: it knows CUDA 12.6');
    await using backend = await provider.open({ fatbin: Uint8Array.of(1) });
    expect(backend.gpu.integrated).toBe(true);
    await expect(fakeProvider(new FakeDriver({ version: 11080 })).open({ fatbin: image })).rejects.toThrow('need 12.0');
  });

  it('a missing fatbin is told, and nothing is opened', async () => {
    const fake = fakes();
    const provider = providerOver(
      async () => initialized(fake),
      async () => {
        throw new FlashMLAError('backend-unavailable', '[kernels-cuda] the kernels are not there.');
      },
      noCublas,
    );
    await expect(provider.open()).rejects.toThrow('not there');
    expect(fake.contexts.size).toBe(0);
  });

  it('an aborted signal opens nothing', async () => {
    const fake = fakes();
    const signal = AbortSignal.abort(new Error('no more'));
    await expect(fakeProvider(fake).open({ signal })).rejects.toThrow('no more');
    expect(fake.contexts.size).toBe(0);
  });
});
