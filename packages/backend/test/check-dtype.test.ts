import { type Backend, FlashMLAError, type FloatDType } from '@flashmla/tensor';
import { describe, expect, it, vi } from 'vitest';
import { checkComputesWith } from '../src/check-dtype.ts';
import type { BackendReport } from '../src/index.ts';
import { fakeBackend } from './fakes.ts';

const backend = (...features: string[]): Backend => {
  const device = { description: 'a device', features, limits: {} };
  return Object.assign(fakeBackend('cpu'), { device });
};
const report = (name: BackendReport['name'], ...features: string[]): BackendReport => ({
  ...{ name, installed: true, available: true, reason: '' },
  features,
});

describe('checkComputes', () => {
  it('takes float32 anywhere and float16 where the device names it, and asks nobody', async () => {
    const reports = vi.fn(async () => []);
    await checkComputesWith(reports, backend(), 'float32');
    await checkComputesWith(reports, backend('threads', 'float16'), 'float16');
    expect(reports).not.toHaveBeenCalled();
  });

  it('says which backend here would do', async () => {
    const reports = async () => [
      report('cuda', 'float16'),
      report('webgpu', 'timestamp-query', 'float16'),
      report('cpu'),
    ];
    const error = await checkComputesWith(reports, backend(), 'float16').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FlashMLAError);
    expect((error as FlashMLAError).code).toBe('unsupported');
    expect((error as FlashMLAError).message).toBe(
      "[backend] dtype is 'float16', which cpu (a device) does not compute in. Here cuda and webgpu can: require one of them, or " +
        'leave dtype out for float32.',
    );
  });

  it('says when none does, and what a dtype may be', async () => {
    await expect(checkComputesWith(async () => [report('cpu')], backend(), 'float16')).rejects.toThrow(
      'No backend that is installed here can; others do: WebGPU on most GPUs, CUDA. Leave dtype out for float32.',
    );
    await expect(checkComputesWith(async () => [], backend('float16'), 'bfloat16')).rejects.toThrow(
      'No backend that is installed here can; others do: native kernels in Node, CUDA. Leave dtype out for float32.',
    );
    await expect(checkComputesWith(async () => [], backend(), 'float8' as FloatDType)).rejects.toThrow(
      "dtype is 'float8'; supported: float32, float16, bfloat16, int8. Leave it out for float32.",
    );
  });
});
