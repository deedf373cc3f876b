// The loss scale: what keeps small gradients above float16's least number. It doubles after many steps without an overflow and
// halves with each (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2). The other precisions have float32's range.

import type { FloatDType } from '@flashmla/tensor';

const stepsPerRise = 1000;
const initial = 2 ** 16;

export interface LossScaleState {
  scale: number;
  /** Steps without an overflow since the scale changed. */
  steady: number;
}

export class LossScale {
  readonly #isDynamic: boolean;
  #state: LossScaleState;

  constructor(activations: FloatDType) {
    this.#isDynamic = activations === 'float16';
    this.#state = { scale: this.#isDynamic ? initial : 1, steady: 0 };
  }

  get scale(): number {
    return this.#state.scale;
  }

  state(): LossScaleState {
    return { ...this.#state };
  }

  restore(state: LossScaleState): void {
    this.#state = { ...state };
  }

  /** Told after each step whether all its gradients were numbers. */
  update(finite: boolean): void {
    if (!this.#isDynamic) return;
    const { scale, steady } = this.#state;
    if (!finite) this.#state = { scale: Math.max(1, scale / 2), steady: 0 };
    else if (steady + 1 === stepsPerRise) this.#state = { scale: scale * 2, steady: 0 };
    else this.#state = { scale, steady: steady + 1 };
  }
}
