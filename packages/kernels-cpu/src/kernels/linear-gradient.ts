// linear-gradient: z again and dz where there is an activation, then two products by `linear`; see
// ../../assembly/linear-gradient.ts.

import { ceilDivide, type LinearGradientProblem, type LinearProblem } from '@flashmla/tensor';
import type { CpuPlan, Kernel, PlanOptions, Step } from '../plan.ts';
import { packedBytes } from '../weights.ts';
import { activationCode } from './activation-code.ts';
import { pieces } from './elements.ts';
import { linear } from './linear.ts';

const PACK_ROWS = 64;
const TRANSPOSE_BLOCK = 32;

/** A product by `linear`, with its tensors under other names. */
function product(
  sizes: Pick<LinearProblem, 'rows' | 'inFeatures' | 'outFeatures'>,
  names: Readonly<Record<string, string>>,
  { threads, rowTile }: PlanOptions,
): { plan: Omit<CpuPlan, 'scratchBytes'>; steps: Step[] } {
  const problem: LinearProblem = { op: 'linear', ...sizes, bias: false, activation: 'none' };
  const options = { threads, packedWeight: names.packed === undefined, ...(rowTile && { rowTile }) };
  const plan = linear.plan(problem, options, linear.variants![0]!);
  const named = (word: string | number) => (typeof word === 'string' ? (names[word] ?? '') : word);
  return { plan, steps: plan.steps.map((step) => ({ ...step, arguments: step.arguments.map(named) })) };
}

const packPanels = (matrix: string, packed: string, rows: number, columns: number): Step => ({
  kernel: 'packPanels',
  tasks: ceilDivide(rows, PACK_ROWS),
  arguments: [matrix, packed, rows, columns],
});

export const linearGradient: Kernel<LinearGradientProblem> = {
  plan({ rows, inFeatures, outFeatures, bias, activation }, options) {
    const active = activation !== 'none';
    const dz = active ? 'dz' : 'outputGradient';
    const again = product(
      { rows, inFeatures, outFeatures },
      { input: 'input', weight: 'weight', packed: 'packed', bias: 'bias', output: 'dz' },
      options,
    );
    const ofInput = product(
      { rows, inFeatures: outFeatures, outFeatures: inFeatures },
      { input: dz, weight: 'packed', output: 'inputGradient' },
      options,
    );
    const ofWeight = product(
      { rows: outFeatures, inFeatures: rows, outFeatures: inFeatures },
      { input: 'transposed', weight: 'packed', output: 'weightGradient' },
      options,
    );
    const products = [...(active ? [again] : []), ofInput, ofWeight].map(({ plan }) => plan);
    const elements = rows * outFeatures;
    // One after the other they are packed to the same place.
    const packed = Math.max(
      packedBytes({ outFeatures: inFeatures, inFeatures: outFeatures }, undefined),
      packedBytes({ outFeatures: inFeatures, inFeatures: rows }, undefined),
      active ? packedBytes({ outFeatures, inFeatures }, undefined) : 0,
    );
    return {
      steps: [
        ...(active
          ? [
              ...again.steps,
              {
                kernel: 'activationGradient' as const,
                tasks: pieces(elements),
                arguments: ['dz', 'outputGradient', 'dz', elements, activationCode(activation)],
              },
            ]
          : []),
        packPanels('weight', 'packed', outFeatures, inFeatures),
        ...ofInput.steps,
        {
          kernel: 'transpose',
          tasks: ceilDivide(rows, TRANSPOSE_BLOCK) * ceilDivide(outFeatures, TRANSPOSE_BLOCK),
          arguments: [dz, 'transposed', rows, outFeatures],
        },
        ...(bias
          ? [{ kernel: 'rowSums' as const, tasks: outFeatures, arguments: ['transposed', 'biasGradient', rows] }]
          : []),
        packPanels('input', 'packed', rows, inFeatures),
        ...ofWeight.steps,
      ],
      buffers: {
        packed,
        transposed: 4 * elements,
        ...(active && { dz: 4 * elements }),
      },
      threadBytes: Math.max(...products.map(({ threadBytes }) => threadBytes)),
      usefulMultiplyAdds: products.reduce((sum, { usefulMultiplyAdds }) => sum + usefulMultiplyAdds, 0),
      issuedMultiplyAdds: products.reduce((sum, { issuedMultiplyAdds }) => sum + issuedMultiplyAdds, 0),
    };
  },
};
