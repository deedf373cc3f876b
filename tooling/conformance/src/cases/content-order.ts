import type { ContentOrderProblem } from '@flashmla/tensor';
import type { Case, Inputs, Outputs } from '../case.ts';
import { checkContentOrder } from '../checks/content-order.ts';
import { matchesReference } from '../compare.ts';
import type { Random } from '../random.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  dimensions: Partial<ContentOrderProblem>,
  label = '',
  change?: (inputs: Inputs, random: Random) => void,
  own: Partial<Case> = {},
): Case {
  const problem: ContentOrderProblem = {
    op: 'content-order',
    batch: 1,
    heads: 2,
    tokens: 213,
    rank: 8,
    leaf: 16,
    mask: false,
    ...dimensions,
  };
  const { batch, heads, tokens, rank, leaf, mask } = problem;
  const name = `content-order: ${batch}×${heads}×${tokens}×${rank}, leaf ${leaf}${mask ? ', mask' : ''}${label && `, ${label}`}`;
  const check = (outputs: Outputs, inputs: Inputs) => checkContentOrder(problem, inputs, outputs.order!);
  return { name, problem, inputs: inputsFor(name, problem, change), check, ...own };
}

export function* contentOrderCases(): Generator<Case> {
  for (const mask of [false, true]) {
    for (const rank of [4, 8, 16, 32]) yield make({ rank, mask, batch: 2 });
    for (const tokens of [0, 1, 2, 15, 16, 17, 31, 32, 33, 62, 63, 64, 65, 257, 1025]) yield make({ tokens, mask });
    for (const leaf of [1, 4, 64, 300]) yield make({ leaf, mask });
  }
  yield make({ tokens: 500 }, 'one dimension wide', (inputs) => {
    inputs.points = inputs.points!.map((value, i) => (i % 8 === 5 ? 40 * value : value));
  });
  yield make({ tokens: 500 }, 'far from the origin', (inputs) => {
    inputs.points = inputs.points!.map((value) => value + 10);
  });
  yield make({ tokens: 500 }, 'few different values', (inputs, random) => {
    inputs.points = Float32Array.from({ length: inputs.points!.length }, () => random.integer(-1, 2));
  });
  yield make({ tokens: 300 }, 'clusters', (inputs, random) => {
    const centres = random.normals(6 * 8, 5);
    inputs.points = inputs.points!.map((value, i) => 0.1 * value + centres[(Math.floor(i / 8) % 6) * 8 + (i % 8)]!);
  });
  const equal = make({ tokens: 100 }, 'all points equal: token order', (inputs) => void inputs.points!.fill(0.75));
  yield { ...equal, check: matchesReference(equal.problem) };
  yield make({ tokens: 62, mask: true, batch: 2 }, 'one text wholly masked', (inputs) => {
    inputs.mask!.fill(0, 0, 62);
    inputs.points!.fill(Number.NaN, 0, 2 * 62 * 8);
  });
  yield make({ tokens: 1000, mask: true }, 'five reruns', undefined, { runs: 5 });
  yield make({ rank: 6 }, 'may be refused', undefined, { mayRefuse: true });
}
