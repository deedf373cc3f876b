// Sparse attention while a model is trained: a gate for each layer, which learns along.
//
// A gate that has no weights yet fits itself to the first queries and keys it sees. From then on it is distilled, every few
// steps, from dense attention on what its layer reads of one text, detached: the task's loss trains the model under the
// selection, the distillation loss trains the selection (the two losses of DeepSeek-V3.2's sparse stage).

import {
  createGate,
  type GateName,
  type GateState,
  GateTrainer,
  type GateTrainerState,
  isLearnable,
  type LayerSample,
  type LearnableGate,
  recommendK,
} from '@flashmla/gating';
import type { Architecture } from '@flashmla/model-swap';
import { type Backend, type DeviceTensor, FlashMLAError, readFloat32, type Selection } from '@flashmla/tensor';
import type { LayerReads } from './encoder.ts';
import type { Tape } from './pass/tape.ts';

export interface SparseTrainingOptions {
  /** Which gate picks the keys: default 'content'. */
  readonly gate?: GateName;
  /** Keys a query selects; default: by length, as at inference. */
  readonly k?: number;
  /** Share of the steps that run dense before; default 0. */
  readonly after?: number;
  /** Steps from one lesson of the gates to the next; default 10. */
  readonly learnEvery?: number;
  /** Of the gates; default 1e-3. */
  readonly learningRate?: number;
}

/** What a layer's gate is after training, and what its trainer would go on from. */
export interface TrainedGate {
  readonly state: GateState;
  readonly trainer: GateTrainerState;
}

export class SparseTraining implements Disposable {
  readonly #options: SparseTrainingOptions;
  readonly #backend: Backend;
  readonly #architecture: Architecture;
  readonly #seed: number;
  readonly #gates: readonly LearnableGate[];
  readonly #trainers = new Map<number, GateTrainer>();

  /** @throws FlashMLAError 'invalid-argument' for a gate that can't learn */
  constructor(backend: Backend, architecture: Architecture, options: SparseTrainingOptions, seed: number) {
    this.#options = options;
    this.#backend = backend;
    this.#architecture = architecture;
    this.#seed = seed;
    this.#gates = architecture.needs.layers.map(() => learnableGate(options.gate));
  }

  /** Whether step `step` of `steps` attends sparsely. */
  isOn(step: number, steps: number): boolean {
    return step >= Math.round((this.#options.after ?? 0) * steps);
  }

  /** Whether the gates learn in this sparse step: in the first, so that what they are is in every checkpoint, and now and then. */
  learnsIn(step: number): boolean {
    return this.#trainers.size === 0 || step % (this.#options.learnEvery ?? 10) === 0;
  }

  keys(tokens: number): number {
    return this.#options.k ?? recommendK(tokens);
  }

  /** The keys that a layer attends to; undefined, all of them, where there are no more than it would select. */
  async select(tape: Tape, { layer, hidden, query, key, keyMask }: LayerReads): Promise<Selection | undefined> {
    const tokens = query.shape[1]!;
    const k = this.keys(tokens);
    if (k >= tokens) return undefined;
    const gate = this.#gates[layer]!;
    const read = [query, key, ...(gate.needsHidden ? [hidden] : [])];
    const full = await Promise.all(read.map((value) => tape.float32(value)));
    const selection = await gate.select({
      ...{ backend: this.#backend, query: full[0]!, key: full[1]!, keyMask, k },
      ...{ layout: 'tokens-first', signal: tape.signal, ...(full[2] && { hidden: full[2] }) },
    });
    tape.release(...full);
    return selection;
  }

  /** Lets the gate of a layer learn from what the layer read of one text. */
  async learn(layer: number, sample: LayerSample): Promise<number> {
    const trainer = this.#trainers.get(layer) ?? (await this.#start(layer, [sample]));
    return trainer.learn(sample);
  }

  state(): Map<number, TrainedGate> {
    return new Map(
      [...this.#trainers].map(([layer, trainer]) => [
        layer,
        { state: this.#gates[layer]!.state(), trainer: trainer.state() },
      ]),
    );
  }

  async restore(gates: ReadonlyMap<number, TrainedGate>): Promise<void> {
    for (const [layer, { state, trainer }] of gates) {
      this.#gates[layer]!.load(state);
      (await this.#start(layer, [])).restore(trainer);
    }
  }

  dispose(): void {
    for (const gate of this.#gates) gate.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #start(layer: number, samples: readonly LayerSample[]): Promise<GateTrainer> {
    const { heads, headDim } = this.#architecture;
    const { learningRate } = this.#options;
    const trainer = await GateTrainer.start(
      {
        ...{ backend: this.#backend, gate: this.#gates[layer]!, heads, headDim },
        ...{ k: (tokens) => this.keys(tokens), seed: this.#seed + layer, ...(learningRate && { learningRate }) },
      },
      samples,
    );
    this.#trainers.set(layer, trainer);
    return trainer;
  }
}

/** A gate without weights. @throws FlashMLAError 'invalid-argument' for one that has nothing to learn, or is none */
export function learnableGate(name: GateName = 'content'): LearnableGate {
  const gate = createGate(name);
  if (isLearnable(gate)) return gate;
  throw new FlashMLAError(
    'invalid-argument',
    `[train] sparse.gate is '${name}', which has nothing to learn; expected 'content', 'block' or 'slot'.`,
  );
}

/** What a layer reads of text `text` of a batch, of whose tokens the first `tokens` are its own. */
export async function sampleOf(tape: Tape, reads: LayerReads, text: number, tokens: number): Promise<LayerSample> {
  const padded = reads.query.shape[1]!;
  const rows = async (source: DeviceTensor) => {
    const values = await readFloat32(source);
    const width = values.length / (reads.query.shape[0]! * padded);
    return values.slice(text * padded * width, (text * padded + tokens) * width);
  };
  const { query, key, value, hidden } = reads;
  const [q, k, v, h] = await Promise.all([query, key, value, hidden].map(({ tensor }) => rows(tensor)));
  tape.signal?.throwIfAborted();
  return { tokens, query: q!, key: k!, value: v!, hidden: h! };
}
