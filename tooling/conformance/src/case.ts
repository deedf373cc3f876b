// What a case is: a problem, seeded inputs, and what must hold of the outputs.

import type { NumberArray, Problem } from '@flashmla/tensor';

export type Inputs = Record<string, NumberArray>;
export type Outputs = Readonly<Record<string, NumberArray>>;

export interface Case {
  /** Unique; begins with the op. The inputs are seeded by it. */
  readonly name: string;
  readonly problem: Problem;
  /** Makes the inputs; the same ones each time. */
  readonly inputs: () => Inputs;
  /** Raises when the outputs are not what the op's definition asks for. */
  readonly check: (outputs: Outputs, inputs: Inputs) => void;
  /** Uploads `weight` with the purpose 'linear-weight'. */
  readonly linearWeight?: boolean;
  /** Runs this often; the outputs must be the same to the bit. Default 1. */
  readonly runs?: number;
  /** Has numbers past float16's largest, or below its smallest normal one: this case is not run in float16. */
  readonly wideRange?: boolean;
  /** A backend may refuse this problem, with a reason and advice. */
  readonly mayRefuse?: boolean;
}
