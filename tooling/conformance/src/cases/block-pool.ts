import type { BlockPoolProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { matchesReference } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  dimensions: Partial<BlockPoolProblem>,
  label = '',
  change?: (inputs: Inputs, problem: BlockPoolProblem) => void,
  own: Partial<Case> = {},
): Case {
  const problem: BlockPoolProblem = {
    op: 'block-pool',
    batch: 2,
    heads: 3,
    tokens: 213,
    features: 32,
    block: 64,
    statistics: 'max-min-mean',
    layout: 'heads-first',
    mask: false,
    ...dimensions,
  };
  const { batch, heads, tokens, features, block, statistics, layout, mask } = problem;
  const name = `block-pool: ${statistics}, ${batch}×${heads}×${tokens}×${features} by ${block}, ${layout}${mask ? ', mask' : ''}${label && `, ${label}`}`;
  const inputs = inputsFor(name, problem, (given) => change?.(given, problem));
  return { name, problem, inputs, check: matchesReference(problem), ...own };
}

export function* blockPoolCases(): Generator<Case> {
  for (const statistics of ['mean', 'max-min-mean'] as const) {
    for (const layout of ['heads-first', 'tokens-first'] as const) {
      for (const mask of [false, true]) {
        const common = { statistics, layout, mask };
        for (const block of [1, 16, 64]) yield make({ ...common, block });
        for (const tokens of [0, 1, 63, 64, 65]) yield make({ ...common, tokens });
        for (const features of [4, 12, 80, 256]) yield make({ ...common, features, tokens: 77, block: 16 });
      }
      yield make({ statistics, layout, mask: true, block: 16 }, 'some blocks absent', (inputs, p) => {
        inputs.mask!.fill(0, 16, 64);
        inputs.mask!.fill(0, p.tokens + 100, 2 * p.tokens);
      });
    }
    yield make({ statistics, mask: true, block: 16 }, 'all values below zero', (inputs) => {
      inputs.input = inputs.input!.map((value) => -1 - Math.abs(value));
    });
    yield make({ statistics, features: 6 }, 'may be refused', undefined, { mayRefuse: true });
  }
  yield make({ mask: true }, 'five reruns', undefined, { runs: 5 });
}
