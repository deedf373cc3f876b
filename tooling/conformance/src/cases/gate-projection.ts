import type { GateProjectionProblem } from '@flashmla/tensor';
import type { Case } from '../case.ts';
import { matchesReference } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(dimensions: Partial<GateProjectionProblem>, label = '', own: Partial<Case> = {}): Case {
  const problem: GateProjectionProblem = {
    op: 'gate-projection',
    batch: 2,
    heads: 3,
    tokens: 62,
    features: 64,
    rank: 8,
    layout: 'tokens-first',
    ...dimensions,
  };
  const { batch, heads, tokens, features, rank, layout } = problem;
  const name = `gate-projection: ${batch}×${heads}×${tokens}×${features} to ${rank}, ${layout}${label && `, ${label}`}`;
  const inputs = inputsFor(name, problem, (given) => {
    given.map = given.map!.map((value) => value / Math.sqrt(features));
  });
  return { name, problem, inputs, check: matchesReference(problem), ...own };
}

export function* gateProjectionCases(): Generator<Case> {
  for (const layout of ['heads-first', 'tokens-first'] as const) {
    for (const rank of [4, 8, 16, 32]) {
      for (const features of [4, 12, 32, 64, 80, 128, 256]) yield make({ layout, rank, features, tokens: 33 });
    }
    for (const tokens of [0, 1, 62, 213, 1025]) yield make({ layout, tokens, batch: 1 });
  }
  yield make({ tokens: 213 }, 'five reruns', { runs: 5 });
  for (const odd of [{ rank: 6 }, { features: 6 }]) yield make(odd, 'may be refused', { mayRefuse: true });
}
