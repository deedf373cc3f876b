// What a calibration that is interrupted leaves: the heads that are done. A head that was begun starts again, from the same
// seed, so that what comes out is the same.

import {
  decodeSafetensors,
  encodeSafetensors,
  FlashMLAError,
  type HostTensor,
  safetensorsMetadata,
  sha256,
  tensor,
} from '@flashmla/tensor';

/** Where a checkpoint is kept. */
export interface CheckpointStore {
  /** What was saved last; undefined when there is nothing. */
  load(): Promise<Uint8Array | undefined>;
  /** Replaces what was saved, as a whole or not at all. */
  save(bytes: Uint8Array): Promise<void>;
}

export interface TrainedHead {
  readonly parameters: Float64Array;
  readonly steps: number;
}

export class Checkpoint {
  readonly #store: CheckpointStore | undefined;
  /** Of what is calibrated, how, on what. */
  readonly #mark: string;
  readonly #heads = new Map<string, { values: HostTensor; steps: number }>();

  private constructor(store: CheckpointStore | undefined, mark: string) {
    this.#store = store;
    this.#mark = mark;
  }

  /**
   * @param subject what the calibration depends on; a checkpoint of another one is refused
   * @throws FlashMLAError 'invalid-file'
   */
  static async open(store: CheckpointStore | undefined, subject: object): Promise<Checkpoint> {
    const checkpoint = new Checkpoint(store, await sha256(JSON.stringify(subject)));
    const bytes = await store?.load();
    if (!bytes) return checkpoint;
    const { mark, steps = '{}' } = safetensorsMetadata(bytes, 'the checkpoint');
    if (mark !== checkpoint.#mark) {
      throw new FlashMLAError(
        'invalid-file',
        '[gating] the checkpoint is of a calibration with other texts, gates or options; remove it, or go on with those.',
      );
    }
    const stepsOf = JSON.parse(steps) as Record<string, number>;
    for (const [name, values] of decodeSafetensors(bytes, 'the checkpoint')) {
      checkpoint.#heads.set(name, { values, steps: stepsOf[name] });
    }
    return checkpoint;
  }

  get(layer: number, head: number): TrainedHead | undefined {
    const found = this.#heads.get(nameOf(layer, head));
    return found && { parameters: Float64Array.from(found.values.array as Float32Array), steps: found.steps };
  }

  /** Keeps a head in float32, as gates are kept; what is kept is returned. */
  async add(layer: number, head: number, { parameters, steps }: TrainedHead): Promise<TrainedHead> {
    const values = Float32Array.from(parameters);
    this.#heads.set(nameOf(layer, head), { values: tensor(values, [values.length]), steps });
    await this.#store?.save(this.#encode());
    return { parameters: Float64Array.from(values), steps };
  }

  #encode(): Uint8Array {
    const heads = [...this.#heads];
    const steps = JSON.stringify(Object.fromEntries(heads.map(([name, head]) => [name, head.steps])));
    return encodeSafetensors(new Map(heads.map(([name, { values }]) => [name, values])), { mark: this.#mark, steps });
  }
}

const nameOf = (layer: number, head: number) => `layer.${layer}.head.${head}`;
