// The gradients of a model's parameters, summed over the batches of a step.

import { type Backend, type DeviceTensor, elementCount, execute } from '@flashmla/tensor';
import type { Parameter } from '../parameter.ts';

export class Gradients {
  readonly #backend: Backend;
  readonly #sums = new Map<Parameter, DeviceTensor>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** The sum so far, float32, of the parameter's size; undefined where nothing flowed to it. */
  of(parameter: Parameter): DeviceTensor | undefined {
    return this.#sums.get(parameter);
  }

  /** Adds `gradient`, float32, and takes it over. */
  async add(parameter: Parameter, gradient: DeviceTensor): Promise<void> {
    const sum = this.#sums.get(parameter);
    if (!sum) {
      this.#sums.set(parameter, gradient);
      return;
    }
    try {
      const program = await this.#backend.prepare({ op: 'add', elements: elementCount(sum.shape) });
      this.#backend.dispatch(program, { a: sum, b: gradient }, { output: sum });
    } finally {
      gradient.dispose();
    }
  }

  /** The sum of the squares of all gradients. Waits for the backward pass. */
  async squaredNorm(): Promise<number> {
    const squares: DeviceTensor[] = [];
    try {
      for (const gradient of this.#sums.values()) {
        const elements = elementCount(gradient.shape);
        const { output } = await execute(this.#backend, { op: 'sum-of-squares', elements }, { input: gradient });
        squares.push(output!);
      }
      const read = await Promise.all(squares.map((square) => square.data()));
      return read.reduce((sum, [square]) => sum + Number(square), 0);
    } finally {
      for (const square of squares) square.dispose();
    }
  }

  /** Forgets all, for the next step. */
  clear(): void {
    for (const sum of this.#sums.values()) sum.dispose();
    this.#sums.clear();
  }
}
