// The backends that the tests of this package run on: the float64 reference, and the CPU kernels.

import { referenceBackend } from '@flashmla/conformance';
import { provider } from '@flashmla/kernels-cpu';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, describe } from 'vitest';

const backends: [name: string, open: () => Promise<Backend>][] = [
  ['float64 reference', async () => referenceBackend()],
  ['kernels-cpu', () => provider.open({ threads: 2 })],
];

/** Runs `tests` on each backend; they get it from the function they are given. */
export function onEachBackend(title: string, tests: (backend: () => Backend) => void): void {
  describe.each(backends)(`${title}, %s`, (_name, open) => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await open();
    });
    afterAll(() => backend.dispose());
    tests(() => backend);
  });
}
