// linear: tiles of the output, by one of several shaders. All but 'scalar' take whole vectors of the inner dimension.

import { type Activation, ceilDivide, type LinearProblem } from '@flashmla/tensor';
import type { GpuTraits, Kernel } from '../plan.ts';

interface Way {
  readonly shader: string;
  /** Outputs of a workgroup. */
  readonly rows: number;
  readonly features: number;
  /** What its inner dimension is padded to. */
  readonly depth: number;
}

const ways = {
  staged: { shader: 'linear-staged', rows: 64, features: 64, depth: 16 },
  direct: { shader: 'linear-direct', rows: 8, features: 128, depth: 4 },
  split: { shader: 'linear-split', rows: 8, features: 16, depth: 4 },
  scalar: { shader: 'linear', rows: 64, features: 64, depth: 16 },
} as const satisfies Record<string, Way>;

/** Rows that 'split' reads a weight at most twice for. */
const fewRows = 16;
const activations: readonly Activation[] = ['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'];

export const linear: Kernel<LinearProblem> = {
  variants({ rows, inFeatures }, { onCpu }) {
    if (inFeatures % 4 > 0) return ['scalar'];
    if (onCpu) return rows <= fewRows ? ['direct', 'split', 'staged'] : ['direct', 'staged'];
    return rows <= fewRows ? ['split', 'direct', 'staged'] : ['staged', 'direct'];
  },

  plan({ rows, inFeatures, outFeatures, bias, activation }, _traits: GpuTraits, variant) {
    const way: Way = ways[variant as keyof typeof ways];
    const tiles = ceilDivide(rows, way.rows) * ceilDivide(outFeatures, way.features);
    return {
      steps: [
        {
          shader: way.shader,
          constants: {},
          params: [rows, inFeatures, outFeatures, Number(bias), activations.indexOf(activation)],
          bindings: ['input', 'weight', 'bias', 'output'],
          workgroups: tiles,
        },
      ],
      buffers: {},
      usefulMultiplyAdds: rows * inFeatures * outFeatures,
      issuedMultiplyAdds: tiles * way.rows * way.features * ceilDivide(inFeatures, way.depth) * way.depth,
    };
  },
};
