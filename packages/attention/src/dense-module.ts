// The attention a model starts with: every query attends to every key.

import type { DeviceTensor } from '@flashmla/tensor';
import { type AttentionModuleOptions, type AttentionStep, ProjectedAttention } from './projected-attention.ts';
import { runDense } from './run-attention.ts';

/** Multi-head self-attention over all keys, with its projections. */
export class DenseAttention extends ProjectedAttention {
  constructor(options: AttentionModuleOptions) {
    super('DenseAttention', options);
  }

  protected override async attend(step: AttentionStep): Promise<DeviceTensor> {
    const { output, lse } = await runDense(step);
    step.scope.release(step.hidden, step.query, step.key, step.value, lse);
    return output;
  }
}
