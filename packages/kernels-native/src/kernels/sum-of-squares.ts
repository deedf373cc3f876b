// sum-of-squares: pieces, then their sums; see ../../native/sum-of-squares.hpp.

import type { SumOfSquaresProblem } from '@flashmla/tensor';
import type { Kernel } from '../plan.ts';
import { pieces } from './elements.ts';

export const sumOfSquares: Kernel<SumOfSquaresProblem> = {
  plan({ elements }) {
    const words = ['input', 'partials', 'output', elements];
    return {
      steps: [
        { kernel: 'squarePieces', tasks: pieces(elements), arguments: words },
        { kernel: 'squareTotal', tasks: 1, arguments: words },
      ],
      buffers: { partials: 8 * pieces(elements) },
      threadBytes: 0,
      usefulMultiplyAdds: elements,
      issuedMultiplyAdds: elements,
    };
  },
};
