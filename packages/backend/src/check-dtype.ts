// Whether a backend computes in a precision, and if not, which one here does.

import { type Backend, FlashMLAError, type FloatDType, floatDTypes } from '@flashmla/tensor';
import type { BackendReport } from './probe.ts';

/** @param reports gives what is known of all backends; asked only where `backend` lacks the dtype */
export async function checkComputesWith(
  reports: () => Promise<readonly BackendReport[]>,
  { name, device }: Backend,
  dtype: FloatDType,
): Promise<void> {
  if (!floatDTypes.includes(dtype)) {
    throw new FlashMLAError(
      'unsupported',
      `[backend] dtype is '${dtype}'; supported: ${floatDTypes.join(', ')}. Leave it out for float32.`,
    );
  }
  if (dtype === 'float32' || device.features.includes(dtype)) return;
  const able = (await reports()).filter(({ features }) => features?.includes(dtype));
  throw new FlashMLAError(
    'unsupported',
    `[backend] dtype is '${dtype}', which ${name} (${device.description}) does not compute in. ` +
      (able.length > 0
        ? `Here ${able.map((report) => report.name).join(' and ')} can: require one of them, or leave dtype out for float32.`
        : 'No backend that is installed here can; WebGPU does on most GPUs. Leave dtype out for float32.'),
  );
}
