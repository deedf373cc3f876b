// Whether a backend computes in a precision, and if not, which one here does.

import { type Backend, FlashMLAError, type Precision, precisions, whoComputesIn } from '@flashmla/tensor';
import type { BackendReport } from './probe.ts';

/** Raises FlashMLAError 'unsupported' for what is no precision of ops. */
export function checkDType(dtype: Precision): void {
  if (precisions.includes(dtype)) return;
  throw new FlashMLAError(
    'unsupported',
    `[backend] dtype is '${dtype}'; supported: ${precisions.join(', ')}. Leave it out for float32.`,
  );
}

/** Whether a backend with these features computes in `dtype`; float32 is what every backend computes in. */
export const computesIn = (features: readonly string[] | undefined, dtype: Precision): boolean =>
  dtype === 'float32' || (features?.includes(dtype) ?? false);

/** @param reports gives what is known of all backends; asked only where `backend` lacks the dtype */
export async function checkComputesWith(
  reports: () => Promise<readonly BackendReport[]>,
  { name, device }: Backend,
  dtype: Precision,
): Promise<void> {
  checkDType(dtype);
  if (computesIn(device.features, dtype)) return;
  const able = (await reports()).filter(({ features }) => computesIn(features, dtype));
  throw new FlashMLAError(
    'unsupported',
    `[backend] dtype is '${dtype}', which ${name} (${device.description}) does not compute in. ` +
      (able.length > 0
        ? `Here ${able.map((report) => report.name).join(' and ')} can: require one of them, or leave dtype out for float32.`
        : `No backend that is installed here can; others do: ${whoComputesIn[dtype]}. Leave dtype out for float32.`),
  );
}
