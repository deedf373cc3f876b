// The backends that the tests of this package run on: the float64 one, and the CPU kernels.

import { selectBackend } from '@flashmla/backend';
import { referenceBackend } from '@flashmla/conformance';
import type { Backend } from '@flashmla/tensor';

export const testBackends: [name: string, open: () => Promise<Backend>][] = [
  ['reference', async () => referenceBackend()],
  ['kernels-cpu', () => selectBackend({ require: 'cpu', threads: 2 })],
];
