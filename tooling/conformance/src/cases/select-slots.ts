import type { SelectSlotsProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { matchesReference } from '../compare.ts';
import type { Random } from '../random.ts';
import { inputsFor } from '../seeded-inputs.ts';

function make(
  dimensions: Partial<SelectSlotsProblem>,
  label = '',
  change?: (inputs: Inputs, random: Random) => void,
  own: Partial<Case> = {},
): Case {
  const problem: SelectSlotsProblem = {
    op: 'select-slots',
    batch: 2,
    heads: 3,
    tokens: 62,
    slotCount: 8,
    slots: 16,
    mask: false,
    ...dimensions,
  };
  const { tokens, slotCount, slots, mask } = problem;
  const name = `select-slots: ${tokens} tokens, ${slots} of each of ${slotCount} slots${mask ? ', mask' : ''}${label && `, ${label}`}`;
  // Nothing is computed, scores are only compared: there is one right answer.
  return { name, problem, inputs: inputsFor(name, problem, change), check: matchesReference(problem), ...own };
}

export function* selectSlotsCases(): Generator<Case> {
  for (const mask of [false, true]) {
    for (const tokens of [0, 1, 2, 17, 62, 213, 1025]) yield make({ tokens, mask });
    for (const slotCount of [1, 3, 64]) yield make({ slotCount, mask });
    for (const slots of [0, 1, 32, 100]) yield make({ slots, mask });
    yield make({ tokens: 213, mask }, 'ties', (inputs, random) => {
      inputs.scores = Float32Array.from({ length: inputs.scores!.length }, () => random.integer(-2, 3));
    });
  }
  yield make({ mask: true }, 'one text wholly masked', (inputs) => void inputs.mask!.fill(0, 0, 62));
  yield make({ tokens: 500, mask: true }, 'five reruns', undefined, { runs: 5 });
}
