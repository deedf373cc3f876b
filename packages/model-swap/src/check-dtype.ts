// Whether a model can have a dtype, on any backend and on a given one.

import { probeBackends } from '@flashmla/backend';
import { type Backend, FlashMLAError, type FloatDType, floatDTypes } from '@flashmla/tensor';

/** Raises unless ops are done in `dtype` on some backend. */
export function checkDType(dtype: FloatDType): void {
  if (floatDTypes.includes(dtype)) return;
  throw new FlashMLAError(
    'unsupported',
    `[model-swap] dtype is '${dtype}'; supported: ${floatDTypes.join(', ')}. Leave it out for float32.`,
  );
}

/** Raises unless `backend` computes in `dtype`, and says which one here does. */
export async function checkComputes(backend: Backend, dtype: FloatDType): Promise<void> {
  checkDType(dtype);
  const { features, description } = backend.device;
  if (dtype === 'float32' || features.includes(dtype)) return;
  const able = (await probeBackends()).filter((report) => report.features?.includes(dtype)).map(({ name }) => name);
  throw new FlashMLAError(
    'unsupported',
    `[model-swap] dtype is '${dtype}', which ${backend.name} (${description}) does not compute in. ` +
      (able.length > 0
        ? `Here ${able.join(' and ')} can: require it of selectBackend, or leave dtype out for float32.`
        : 'No backend that is installed here can; WebGPU does on most GPUs. Leave dtype out for float32.'),
  );
}
