// A gate that learns while the model around it does: steps of distillation on what the layer's attention reads just now.

import { type Backend, FlashMLAError, randomSource } from '@flashmla/tensor';
import type { LearnableGate } from '../gate.ts';
import type { LayerDimensions, LayerSample } from '../measure-gate.ts';
import { AdamW, type AdamWState } from './adam-w.ts';
import { type GateLearning, learningOf } from './gate-learning.ts';
import { type HeadLearner, range } from './head-learner.ts';

export interface GateTrainerOptions extends LayerDimensions {
  readonly backend: Backend;
  readonly gate: LearnableGate;
  /** Keys that a query of a text of so many tokens selects. */
  readonly k: (tokens: number) => number;
  /** Default 1e-3. */
  readonly learningRate?: number;
  /** Default 0.01. */
  readonly weightDecay?: number;
  /** The same seed and samples give the same gate. Default 0. */
  readonly seed?: number;
}

/** What a trainer goes on from, beside its gate's own state. */
export interface GateTrainerState {
  /** Samples it has learned from. */
  readonly samples: number;
  readonly heads: readonly { readonly parameters: Float64Array; readonly optimizer: AdamWState }[];
}

interface Head {
  readonly learner: HeadLearner<unknown>;
  readonly parameters: Float64Array;
  readonly optimizer: AdamW;
}

const rowsPerStep = 16;
const stepsPerSample = 4;

export class GateTrainer {
  readonly #options: GateTrainerOptions;
  readonly #learning: GateLearning<unknown>;
  readonly #heads: readonly Head[];
  #samples = 0;

  private constructor(options: GateTrainerOptions, learning: GateLearning<unknown>) {
    this.#options = options;
    this.#learning = learning;
    this.#heads = range(options.heads).map((head) => {
      const learner = learning.learner(head);
      const parameters = learner.start.slice();
      return { learner, parameters, optimizer: new AdamW(parameters.length, options.weightDecay ?? 0.01) };
    });
  }

  /** @param samples what a gate without weights starts from: a ContentGate is fitted to them in closed form */
  static async start(options: GateTrainerOptions, samples: readonly LayerSample[]): Promise<GateTrainer> {
    const { backend, heads, headDim, k, seed = 0 } = options;
    const breathe = async () => {};
    const learning = await learningOf(options.gate, samples, { backend, heads, headDim, k, seed, breathe });
    const trainer = new GateTrainer(options, learning);
    trainer.#load();
    return trainer;
  }

  /**
   * Makes some steps on one text and gives the gate what was learned.
   *
   * @returns the distillation loss before, in nats, mean over the heads: KL(dense attention ‖ softmax of the gate's scores)
   */
  async learn(sample: LayerSample): Promise<number> {
    const { learningRate = 1e-3, seed = 0 } = this.#options;
    const random = randomSource(Math.imul(seed + 1, 1000003) + this.#samples);
    let sum = 0;
    for (const [head, { learner, parameters, optimizer }] of this.#heads.entries()) {
      const example = await this.#learning.example(sample, head);
      const count = learner.rowsOf(example);
      for (let step = 0; step < stepsPerSample; step++) {
        const rows = Array.from({ length: Math.min(rowsPerStep, count) }, () => Math.floor(random() * count));
        const gradient = new Float64Array(parameters.length);
        const loss = learner.loss(parameters, example, rows, gradient);
        if (step === 0) sum += loss;
        optimizer.step(parameters, gradient, learningRate);
      }
    }
    this.#samples++;
    this.#load();
    return sum / this.#heads.length;
  }

  state(): GateTrainerState {
    const heads = this.#heads.map(({ parameters, optimizer }) => ({
      parameters: parameters.slice(),
      optimizer: optimizer.state(),
    }));
    return { samples: this.#samples, heads };
  }

  /** Goes on from what `state` gave. @throws FlashMLAError 'invalid-argument' for the state of another gate */
  restore({ samples, heads }: GateTrainerState): void {
    const fits =
      heads.length === this.#heads.length &&
      this.#heads.every(({ parameters }, head) => parameters.length === heads[head].parameters.length);
    if (!fits) {
      throw new FlashMLAError(
        'invalid-argument',
        '[gating] the state is of a gate with other sizes; go on with the gate that it was taken of.',
      );
    }
    this.#samples = samples;
    for (const [head, { parameters, optimizer }] of heads.entries()) {
      this.#heads[head].parameters.set(parameters);
      this.#heads[head].optimizer.restore(optimizer);
    }
    this.#load();
  }

  #load(): void {
    this.#options.gate.load(this.#learning.state(this.#heads.map(({ parameters }) => parameters)));
  }
}
