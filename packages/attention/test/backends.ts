// The backends that the tests of this package run on: the float64 one, and the CPU kernels.

import { selectBackend } from '@flashmla/backend';
import { referenceBackend } from '@flashmla/conformance';
import type { Backend, Problem } from '@flashmla/tensor';

export const testBackends: [name: string, open: () => Promise<Backend>][] = [
  ['reference', async () => referenceBackend()],
  ['kernels-cpu', () => selectBackend({ require: 'cpu', threads: 2 })],
];

/** `backend`, as if its kernels took only such head dimensions. */
export function needsMultiplesOf(multiple: number, backend: Backend): Backend {
  return new Proxy(backend, {
    get(target, name) {
      if (name === 'supports') {
        return (problem: Problem) => {
          const { headDim } = problem as { headDim: number };
          if (headDim % multiple === 0) return target.supports(problem);
          return {
            supported: false,
            reason: `headDim ${headDim} is no multiple of ${multiple}`,
            advice: 'pad it with zeros',
          };
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
