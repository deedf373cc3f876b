// The tensors of one forward pass: whatever goes wrong, none is left behind.

import {
  type Backend,
  DeviceTensor,
  type DType,
  type EmbeddingProblem,
  type HostTensor,
  type LayerNormProblem,
  type LinearProblem,
  outputSpecs,
  type Tensor,
  type Tensors,
  tensor,
} from '@flashmla/tensor';

/** Ops that give one tensor, `output`. */
type SingleOutputProblem = EmbeddingProblem | LayerNormProblem | LinearProblem;

export class Workspace {
  readonly backend: Backend;
  readonly signal: AbortSignal | undefined;
  readonly #live = new Set<DeviceTensor>();

  constructor(backend: Backend, signal?: AbortSignal) {
    this.backend = backend;
    this.signal = signal;
  }

  /**
   * Runs one op; its output lives until it is released.
   *
   * @param to the tensor that the output goes to, or the shape of a new one, with the elements the op declares, e.g.
   *   [batch, tokens, modelDim] for its rows
   */
  async run(
    problem: SingleOutputProblem,
    inputs: Tensors,
    to: DeviceTensor | readonly number[] = outputSpecs(problem).output!.shape,
  ): Promise<DeviceTensor> {
    this.signal?.throwIfAborted();
    const program = await this.backend.prepare(problem);
    const output = to instanceof DeviceTensor ? to : this.allocate(to, outputSpecs(problem).output!.dtype);
    this.backend.dispatch(program, inputs, { output }, { signal: this.signal });
    return output;
  }

  allocate(shape: readonly number[], dtype: DType): DeviceTensor {
    return this.#add(this.backend.allocate(shape, dtype));
  }

  /** Rows [start, end) of `source`, on backends that have such views. */
  rows(source: DeviceTensor, start: number, end: number): DeviceTensor {
    return this.#add(this.backend.rows!(source, start, end));
  }

  upload(source: HostTensor): DeviceTensor {
    return this.#add(this.backend.upload(source));
  }

  /** Takes over a tensor that someone else made, moved to the device if it is not there. */
  async adopt(given: Tensor): Promise<DeviceTensor> {
    if (given instanceof DeviceTensor && given.backend === this.backend) return this.#add(given);
    const moved = this.upload(tensor(await given.data(), given.shape, given.dtype));
    given.dispose();
    return moved;
  }

  /** Gives up responsibility for a tensor, which outlives the pass. */
  keep(kept: DeviceTensor): DeviceTensor {
    this.#live.delete(kept);
    return kept;
  }

  /** Disposes tensors whose last use is dispatched. */
  release(...tensors: DeviceTensor[]): void {
    for (const one of tensors) {
      this.#live.delete(one);
      one.dispose();
    }
  }

  /** Disposes all that was neither released nor kept. */
  dispose(): void {
    this.release(...this.#live);
  }

  #add(added: DeviceTensor): DeviceTensor {
    this.#live.add(added);
    return added;
  }
}
