// Profiles with round numbers, for the tests of what is made of them.

import type { LayerNormProblem, LinearProblem, OpProfile, Profile } from '@flashmla/tensor';

export const square: LinearProblem = {
  op: 'linear',
  ...{ rows: 100, inFeatures: 100, outFeatures: 100, bias: false, activation: 'none' },
};
export const norm: LayerNormProblem = { op: 'layer-norm', rows: 100, modelDim: 25, epsilon: 1e-5, residual: false };

const plan = { scratchBytes: 64, usefulMultiplyAdds: 900, issuedMultiplyAdds: 1000 };
const noPlan = { scratchBytes: 0, usefulMultiplyAdds: 0, issuedMultiplyAdds: 0 };

/** Two products of 2 ms and 6 ms on two threads, and a norm of 2 ms between them. */
export const ops: readonly OpProfile[] = [
  {
    problem: square,
    plan,
    ...{ startMs: 1, endMs: 3 },
    kernels: [
      {
        name: 'linear',
        ...{ startMs: 1, endMs: 3 },
        threads: [
          { startMs: 1, endMs: 3 },
          { startMs: 1.5, endMs: 2.5 },
        ],
      },
    ],
  },
  { problem: norm, plan: noPlan, startMs: 3, endMs: 5, kernels: [] },
  {
    problem: { ...square },
    plan,
    ...{ startMs: 6, endMs: 12 },
    kernels: [
      {
        name: 'linear',
        ...{ startMs: 6, endMs: 12 },
        threads: [
          { startMs: 6, endMs: 12 },
          { startMs: 6, endMs: 9 },
        ],
      },
    ],
  },
];

export const profile: Profile<undefined> = {
  result: undefined,
  wallMs: 14,
  timing: { source: 'threads', description: 'by clocks that tests made up' },
  ops,
};
