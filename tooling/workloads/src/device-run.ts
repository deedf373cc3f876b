// A run that gives a tensor on the device, as a run that is timed and compared.

import { type Backend, type DeviceTensor, readFloat32 } from '@flashmla/tensor';
import type { OwnRun } from './workload.ts';

/** @param isRead whether reading the output is part of what is timed; otherwise the run ends when the device is done */
export function deviceRun(
  backend: Backend,
  isRead: boolean,
  compute: (signal: AbortSignal) => Promise<DeviceTensor>,
): OwnRun {
  const use = async <Result>(signal: AbortSignal, read: (output: DeviceTensor) => Promise<Result>) => {
    const output = await compute(signal);
    try {
      return await read(output);
    } finally {
      output.dispose();
    }
  };
  return {
    run: (signal) =>
      use(signal, async (output) => {
        if (isRead) await output.data();
        else await backend.synchronize();
      }),
    output: (signal) => use(signal, readFloat32),
  };
}
