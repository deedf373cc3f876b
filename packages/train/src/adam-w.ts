// AdamW on a backend: Loshchilov & Hutter 2019, arXiv 1711.05101. The update is an op of the contract, in place.

import { type Backend, type DeviceTensor, elementCount, tensor } from '@flashmla/tensor';
import type { Parameter } from './parameter.ts';
import type { Gradients } from './pass/gradients.ts';

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of matrices; biases and norms have none. */
  readonly weightDecay: number;
}

export interface Moments {
  readonly first: DeviceTensor;
  readonly second: DeviceTensor;
}

export class AdamW implements Disposable {
  readonly #backend: Backend;
  readonly #options: AdamWOptions;
  readonly #moments = new Map<Parameter, Moments>();

  constructor(backend: Backend, parameters: readonly Parameter[], options: AdamWOptions) {
    this.#backend = backend;
    this.#options = options;
    const made: DeviceTensor[] = [];
    const zeros = ({ tensor: { shape } }: Parameter) => {
      made.push(backend.upload(tensor(new Float32Array(elementCount(shape)), shape)));
      return made.at(-1)!;
    };
    try {
      for (const parameter of parameters) {
        this.#moments.set(parameter, { first: zeros(parameter), second: zeros(parameter) });
      }
    } catch (error) {
      for (const one of made) one.dispose();
      throw error;
    }
  }

  /** Float32, of the parameter's size; they stay the same tensors while their elements change. */
  moments(parameter: Parameter): Moments {
    return this.#moments.get(parameter)!;
  }

  /** Puts back moments that were saved, which this object takes over. */
  restore(parameter: Parameter, moments: Moments): void {
    const { first, second } = this.moments(parameter);
    this.#moments.set(parameter, moments);
    first.dispose();
    second.dispose();
  }

  /**
   * Changes every parameter that has a gradient.
   *
   * @param step how many were made before
   * @param gradientScale what gradients are multiplied by first
   */
  async step(gradients: Gradients, step: number, learningRate: number, gradientScale: number): Promise<void> {
    const { weightDecay, ...options } = this.#options;
    const corrections = [1 / (1 - options.beta1 ** (step + 1)), 1 / (1 - options.beta2 ** (step + 1))];
    const schedule = this.#backend.upload(tensor(Float32Array.of(learningRate, gradientScale, ...corrections), [4]));
    try {
      for (const [parameter, { first, second }] of this.#moments) {
        const gradient = gradients.of(parameter);
        if (!gradient) continue;
        const program = await this.#backend.prepare({
          ...{ op: 'adam-w', elements: elementCount(parameter.tensor.shape), ...options },
          weightDecay: parameter.decays ? weightDecay : 0,
        });
        const changed = { parameter: parameter.tensor, firstMoment: first, secondMoment: second };
        this.#backend.dispatch(program, { ...changed, gradient, schedule }, changed);
      }
    } finally {
      schedule.dispose();
    }
  }

  dispose(): void {
    for (const { first, second } of this.#moments.values()) {
      first.dispose();
      second.dispose();
    }
    this.#moments.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
