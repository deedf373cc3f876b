// The checked face of the driver: what a failed call is told as, and what opening the library says where there is none.

import { describe, expect, it } from 'vitest';
import { CudaError } from '../src/cuda-error.ts';
import { Driver, KernelArguments, openLibrary } from '../src/driver.ts';
import { float } from '../src/plan.ts';
import { FakeDriver } from './fake-driver.ts';

function raised(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was raised');
}

describe('the driver', () => {
  it('tells the call, the name of the code, what it was for, and what to do', () => {
    const fake = new FakeDriver();
    const driver = new Driver(fake);
    driver.initialize();
    const context = driver.retainPrimaryContext(driver.device(0));
    fake.fail('cuMemAlloc', 2);
    const error = raised(() => driver.within(context, () => driver.allocate(4096))) as CudaError;
    expect(error).toBeInstanceOf(CudaError);
    expect(error).toMatchObject({ call: 'cuMemAlloc', result: 2, code: 'out-of-memory', endsContext: false });
    expect(error.message).toMatch(
      /^\[kernels-cuda\] cuMemAlloc \(4096 bytes\) failed: CUDA_ERROR_OUT_OF_MEMORY\. .{20,}\.$/,
    );
  });

  it('knows which errors end the context', () => {
    for (const result of [700, 715, 719, 214])
      expect(new CudaError('cuEventQuery', result, 'X').endsContext).toBe(true);
    for (const result of [1, 2, 400, 600]) expect(new CudaError('cuEventQuery', result, 'X').endsContext).toBe(false);
  });

  it('leaves the thread as it was, also when work fails', () => {
    const fake = new FakeDriver();
    const driver = new Driver(fake);
    driver.initialize();
    const context = driver.retainPrimaryContext(driver.device(0));
    expect(raised(() => driver.within(context, () => driver.destroyStream(1n)))).toBeInstanceOf(CudaError);
    driver.releasePrimaryContext(100);
    expect(fake.held).toEqual([]);
  });

  it('reads names, ids and versions', () => {
    const driver = new Driver(new FakeDriver({ devices: [{ name: 'NVIDIA H100 80GB HBM3' }] }));
    driver.initialize();
    const device = driver.device(0);
    expect(driver.deviceName(device)).toBe('NVIDIA H100 80GB HBM3');
    expect(driver.uuid(device)).toBe('GPU-64010203-0405-0607-0809-0a0b0c0d0e0f');
    expect(driver.pciBusId(device)).toBe('0000:01:00.0');
    expect(driver.version()).toBe(13000);
  });

  it('lays arguments out in slots of eight bytes, pointers first', () => {
    const fake = new FakeDriver();
    const given = new KernelArguments(fake, 2, [7, -1, 0xffffffff, float(1.5)]);
    given.setPointer(0, 0x7f12_3456_7890);
    given.setPointer(1, 0);
    const slots = [...given.params].map((address) => fake.bytesAt(address, 8));
    const view = (at: number) => new DataView(slots[at]!.buffer, slots[at]!.byteOffset, 8);
    expect(view(0).getBigUint64(0, true)).toBe(0x7f12_3456_7890n);
    expect(view(1).getBigUint64(0, true)).toBe(0n);
    expect([view(2), view(3), view(4)].map((slot) => slot.getInt32(0, true))).toEqual([7, -1, -1]);
    expect(view(5).getFloat32(0, true)).toBe(1.5);
  });

  it('opens the library of this machine, or says in one line why not', async () => {
    const api = await openLibrary();
    if (typeof api === 'string') expect(api).toMatch(/^[^\n]{20,}$/);
    else expect(api.nameOf(2)).toBe('CUDA_ERROR_OUT_OF_MEMORY');
  });
});
