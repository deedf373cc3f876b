// A whole forward pass through an encoder as deep as BERT-base, over libcuda in software: from its second run on it is one
// graph, and what it computes stays the same to the bit.

import type { FloatDType } from '@flashmla/tensor';
import { EncoderWorkloads, type OwnName } from '@flashmla/workloads';
import { expect, it } from 'vitest';
import { describeOnShim } from '../support/shim.ts';
import { compiledBefore, softwareProvider } from '../support/software-provider.ts';

const narrow = { modelDim: 64, heads: 1, headDim: 64, intermediateDim: 64, layers: 12 };

describeOnShim('a forward pass over a driver in software', () => {
  compiledBefore();

  it.each<[OwnName, FloatDType]>([
    ['flashmla-dense', 'float32'],
    ['flashmla-sparse', 'float32'],
    ['flashmla-dense', 'float16'],
    ['flashmla-sparse', 'bfloat16'],
  ])(
    '%s in %s is one launch',
    async (name, dtype) => {
      await using backend = await softwareProvider.open();
      const workloads = new EncoderWorkloads(backend, narrow, { dtype });
      const workload = workloads.workloadOf(32, 8);
      const { signal } = new AbortController();
      const run = () => workload.own[name].output(signal);
      // In the first run gates fit themselves and shapes are compared; after that the memory is as it will be.
      const first = await run();
      for (let again = 0; again < 2; again++) expect(await run()).toEqual(first);
      const before = backend.launches;
      expect(await run()).toEqual(first);
      expect(backend.launches).toEqual({ graphs: before.graphs + 1, kernels: before.kernels });
      workload.dispose();
      workloads.dispose();
      expect(backend.memory().usedBytes).toBe(0);
    },
    60_000,
  );
});
