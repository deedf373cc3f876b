// The tape: what a forward pass did, so that the backward pass can go through it in reverse.
//
// Every op of the contract that can be differentiated has a gradient op, which takes the forward op's tensors by the same
// names and gives `xGradient` for its input x (docs/decisions/0026-gradients.md). So one method, `apply`, serves them all;
// which op follows which is for those who call it.
//
// Activations may be kept in half precision: between ops they and their gradients are stored in it, within an op they are
// float32 (Micikevicius et al. 2018, arXiv 1710.03740). Parameters and their gradients are float32.

import {
  type Backend,
  DeviceTensor,
  elementCount,
  type FloatDType,
  type HostTensor,
  inputSpecs,
  outputSpecs,
  type Problem,
  type Tensors,
  type TrainingProblem,
} from '@flashmla/tensor';
import type { Parameter } from '../parameter.ts';
import type { Gradients } from './gradients.ts';
import { Value } from './value.ts';

/** What an op reads: activations, parameters, and tensors that no gradient flows to. */
export type Inputs = Readonly<Record<string, Value | Parameter | DeviceTensor>>;

export interface TapeOptions {
  /** Where parameters' gradients go; absent: no backward pass is to follow, and nothing is kept for one. */
  readonly gradients?: Gradients | undefined;
  /** What activations are kept in; default float32. */
  readonly activations?: FloatDType | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Tape {
  readonly backend: Backend;
  readonly signal: AbortSignal | undefined;
  readonly #gradients: Gradients | undefined;
  readonly #activations: FloatDType;
  readonly #backward: (() => Promise<void>)[] = [];
  /** Tensors that this pass made and has not disposed, with how many hold each. */
  readonly #holds = new Map<DeviceTensor, number>();
  readonly #owned: Disposable[] = [];

  constructor(backend: Backend, { gradients, activations = 'float32', signal }: TapeOptions = {}) {
    this.backend = backend;
    this.signal = signal;
    this.#gradients = gradients;
    this.#activations = activations;
  }

  /** Whether a backward pass is to follow. */
  get differentiates(): boolean {
    return this.#gradients !== undefined;
  }

  /**
   * Runs `forward` and notes how its gradient is found.
   *
   * @param shape of the output, with the elements that the op declares
   * @param gradient its inputs are bound to `inputs` and to what `forward` gives, by name
   * @param sharing inputs whose gradient is another's: { residual: 'input' }
   * @returns the op's `output`
   */
  async apply(
    forward: Problem,
    inputs: Inputs,
    shape: readonly number[],
    gradient: TrainingProblem,
    sharing: Readonly<Record<string, string>> = {},
  ): Promise<Value> {
    const { output: computed, ...others } = await this.run(forward, inputs, shape);
    const output = await this.value(computed!);
    this.record(output, async (outputGradient) => {
      const known: Inputs = { ...inputs, ...others, output, outputGradient };
      const names = Object.keys(inputSpecs(gradient));
      const found = await this.run(gradient, Object.fromEntries(names.map((name) => [name, known[name]!])));
      for (const [name, input] of Object.entries(inputs)) {
        const flowing = found[`${sharing[name] ?? name}Gradient`];
        if (flowing && !(input instanceof DeviceTensor)) await this.flow(input, flowing);
      }
      this.release(...Object.values(found), ...Object.values(others));
    });
    if (!this.differentiates) this.release(...Object.values(others));
    return output;
  }

  /** Notes how the gradient in `output`, which `backward` is given in float32, flows on. */
  record(output: Value, backward: (outputGradient: DeviceTensor) => Promise<void>): void {
    if (!this.differentiates) return;
    this.#backward.push(async () => {
      // What no gradient has reached has no part in the loss.
      if (output.gradient) {
        const full = await this.#cast(output.gradient, 'float32');
        this.release(output.gradient);
        await backward(full);
        this.release(full);
      }
      this.release(output.tensor);
    });
  }

  /**
   * Runs one op; half-precision activations are brought to float32 for it. Its outputs live until they are released.
   *
   * @param shape of an output named `output`; default: as the op declares it
   */
  async run(problem: Problem, inputs: Inputs, shape?: readonly number[]): Promise<Record<string, DeviceTensor>> {
    this.signal?.throwIfAborted();
    const bound: Record<string, DeviceTensor> = {};
    for (const [name, input] of Object.entries(inputs)) {
      bound[name] =
        input instanceof Value
          ? await this.#cast(input.tensor, 'float32')
          : this.#hold(input instanceof DeviceTensor ? input : input.tensor);
    }
    const program = await this.backend.prepare(problem);
    const outputs: Record<string, DeviceTensor> = {};
    for (const [name, spec] of Object.entries(outputSpecs(problem))) {
      outputs[name] = this.#made(this.backend.allocate((name === 'output' && shape) || spec.shape, spec.dtype));
    }
    this.backend.dispatch(program, bound, outputs, { signal: this.signal });
    this.release(...Object.values(bound));
    return outputs;
  }

  /**
   * Runs an op that may work in place on the tensor that is its input `name` and its `output`.
   *
   * @returns that tensor
   */
  async overwrite(problem: Problem, name: string, target: DeviceTensor, inputs: Tensors): Promise<DeviceTensor> {
    const program = await this.backend.prepare(problem);
    this.backend.dispatch(program, { ...inputs, [name]: target }, { output: target }, { signal: this.signal });
    return target;
  }

  /** A float32 tensor of this pass as an activation, which takes it over. */
  async value(computed: DeviceTensor): Promise<Value> {
    const kept = await this.#cast(computed, this.#activations);
    this.release(computed);
    return new Value(kept);
  }

  /** A value in float32, for what is no op of the pass; the caller releases it. */
  float32(value: Value): Promise<DeviceTensor> {
    return this.#cast(value.tensor, 'float32');
  }

  upload(source: HostTensor): DeviceTensor {
    return this.#made(this.backend.upload(source));
  }

  /** Gives up values that only a backward pass would read again. */
  discard(...values: Value[]): void {
    if (!this.differentiates) this.release(...values.map(({ tensor }) => tensor));
  }

  /** Disposes `resource` when the pass ends. */
  own(resource: Disposable): void {
    this.#owned.push(resource);
  }

  /** Adds `gradient`, a float32 tensor of this pass, to what flows to `target`. The caller still releases its hold. */
  async flow(target: Value | Parameter, gradient: DeviceTensor): Promise<void> {
    if (!(target instanceof Value)) {
      // The sum outlives this pass.
      this.#holds.delete(gradient);
      await this.#gradients!.add(target, gradient);
      return;
    }
    const before = target.gradient;
    if (!before) {
      target.gradient = await this.#cast(gradient, this.#activations);
      return;
    }
    const a = await this.#cast(before, 'float32');
    const { output } = await this.run({ op: 'add', elements: elementCount(target.shape) }, { a, b: gradient });
    target.gradient = await this.#cast(output!, this.#activations);
    this.release(a, before, output!);
  }

  /** Goes through the tape in reverse, once. */
  async backward(): Promise<void> {
    for (let step = this.#backward.pop(); step; step = this.#backward.pop()) {
      this.signal?.throwIfAborted();
      await step();
    }
  }

  /** Gives up one hold on each; what nothing holds any more is disposed. Tensors that are not this pass's are left alone. */
  release(...tensors: DeviceTensor[]): void {
    for (const one of tensors) {
      const holds = this.#holds.get(one);
      if (holds === undefined) continue;
      if (holds > 1) {
        this.#holds.set(one, holds - 1);
        continue;
      }
      this.#holds.delete(one);
      one.dispose();
    }
  }

  /** Disposes all that is left, however the pass ended. */
  dispose(): void {
    for (const one of this.#holds.keys()) one.dispose();
    for (const one of this.#owned) one[Symbol.dispose]();
    this.#holds.clear();
    this.#owned.length = 0;
    this.#backward.length = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** `given` in another precision, or itself, held once more. */
  async #cast(given: DeviceTensor, to: FloatDType): Promise<DeviceTensor> {
    const from = given.dtype as FloatDType;
    if (from === to) return this.#hold(given);
    const problem = { op: 'cast', elements: elementCount(given.shape), from, to } as const;
    const { output } = await this.run(problem, { input: given }, given.shape);
    return output!;
  }

  #made(made: DeviceTensor): DeviceTensor {
    this.#holds.set(made, 1);
    return made;
  }

  /** Holds a tensor of this pass once more; others are left alone. */
  #hold(given: DeviceTensor): DeviceTensor {
    const holds = this.#holds.get(given);
    if (holds !== undefined) this.#holds.set(given, holds + 1);
    return given;
  }
}
