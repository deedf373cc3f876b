// AdamW: Loshchilov & Hutter 2019 (arXiv 1711.05101), with the bias corrections of Adam (Kingma & Ba 2015, 1412.6980).

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

export interface AdamWState {
  readonly steps: number;
  readonly mean: Float64Array;
  readonly square: Float64Array;
}

export class AdamW {
  readonly #mean: Float64Array;
  readonly #square: Float64Array;
  readonly #weightDecay: number;
  #steps = 0;

  constructor(size: number, weightDecay: number) {
    this.#mean = new Float64Array(size);
    this.#square = new Float64Array(size);
    this.#weightDecay = weightDecay;
  }

  step(parameters: Float64Array, gradient: Float64Array, learningRate: number): void {
    this.#steps++;
    const meanCorrection = 1 - beta1 ** this.#steps;
    const squareCorrection = 1 - beta2 ** this.#steps;
    for (let i = 0; i < parameters.length; i++) {
      this.#mean[i] = beta1 * this.#mean[i] + (1 - beta1) * gradient[i];
      this.#square[i] = beta2 * this.#square[i] + (1 - beta2) * gradient[i] ** 2;
      const direction = this.#mean[i] / meanCorrection / (Math.sqrt(this.#square[i] / squareCorrection) + epsilon);
      parameters[i] -= learningRate * (direction + this.#weightDecay * parameters[i]);
    }
  }

  state(): AdamWState {
    return { steps: this.#steps, mean: this.#mean.slice(), square: this.#square.slice() };
  }

  /** @param state of parameters of the same size */
  restore({ steps, mean, square }: AdamWState): void {
    this.#steps = steps;
    this.#mean.set(mean);
    this.#square.set(square);
  }
}
