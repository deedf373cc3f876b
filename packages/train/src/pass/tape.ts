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
  type DType,
  elementCount,
  type FloatDType,
  type HostTensor,
  inPlaceInputs,
  inputSpecs,
  outputSpecs,
  type Problem,
  type TrainingProblem,
} from '@flashmla/tensor';
import type { Parameter } from '../parameter.ts';
import type { Gradients } from './gradients.ts';
import { Value } from './value.ts';

const tensorOf = (input: Value | Parameter | DeviceTensor) => (input instanceof DeviceTensor ? input : input.tensor);

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
  /** What activations and their gradients are kept in. */
  readonly activations: FloatDType;
  readonly #backward: (() => Promise<void>)[] = [];
  /** Tensors that this pass made and has not disposed, with how many hold each. */
  readonly #holds = new Map<DeviceTensor, number>();
  readonly #owned: Disposable[] = [];

  constructor(backend: Backend, { gradients, activations = 'float32', signal }: TapeOptions = {}) {
    this.backend = backend;
    this.signal = signal;
    this.#gradients = gradients;
    this.activations = activations;
  }

  /** Whether a backward pass is to follow. */
  get differentiates(): boolean {
    return this.#gradients !== undefined;
  }

  /**
   * Runs `forward` and notes how its gradient is found. What that reads is held until then.
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
    const { output: computed, ...others } = await this.run(forward, inputs, { shape });
    const output = await this.value(computed!);
    if (this.differentiates) {
      const known: Inputs = { ...inputs, ...others, output };
      const names = Object.keys(inputSpecs(gradient)).filter((name) => name !== 'outputGradient');
      const kept = Object.fromEntries(names.map((name) => [name, known[name]!]));
      for (const one of Object.values(kept)) this.hold(tensorOf(one));
      this.record(output, async (outputGradient) => {
        const found = await this.run(gradient, { ...kept, outputGradient }, { last: [...names, 'outputGradient'] });
        for (const [name, input] of Object.entries(inputs)) {
          const flowing = found[`${sharing[name] ?? name}Gradient`];
          if (flowing && !(input instanceof DeviceTensor)) await this.flow(input, flowing);
        }
        this.release(...Object.values(found));
      });
    }
    this.release(...Object.values(others));
    return output;
  }

  /** Notes how the gradient in `output` flows on: `backward` takes it over. */
  record(output: Value, backward: (outputGradient: Value) => Promise<void>): void {
    if (!this.differentiates) return;
    this.#backward.push(async () => {
      // What no gradient has reached has no part in the loss.
      if (output.gradient) await backward(new Value(output.gradient));
      output.gradient = undefined;
      this.discard(output);
    });
  }

  /**
   * Runs one op; half-precision activations are brought to float32 for it. Its outputs live until they are released.
   *
   * @param shape of an output named `output`; default: as the op declares it
   * @param last inputs that the caller gives up: the op works in place on them where it can, and nobody else holds them
   * @param into what an output named `output` is written to, and the caller keeps; default: a tensor of its own
   */
  async run(
    problem: Problem,
    inputs: Inputs,
    { shape, last = [], into }: { shape?: readonly number[]; last?: readonly string[]; into?: DeviceTensor } = {},
  ): Promise<Record<string, DeviceTensor>> {
    this.signal?.throwIfAborted();
    const bound: Record<string, DeviceTensor> = {};
    for (const [name, input] of Object.entries(inputs)) {
      bound[name] = input instanceof Value ? await this.float32(input) : this.hold(tensorOf(input));
      if (last.includes(name)) this.release(tensorOf(input));
    }
    const program = await this.backend.prepare(problem);
    const inPlace = inPlaceInputs(problem);
    const outputs: Record<string, DeviceTensor> = {};
    for (const [name, spec] of Object.entries(outputSpecs(problem))) {
      const overwritten = inPlace[name]?.find((input) => last.includes(input) && this.#holds.get(bound[input]!) === 1);
      if (name === 'output' && into) outputs[name] = this.hold(into);
      else if (overwritten) outputs[name] = this.hold(bound[overwritten]!);
      else outputs[name] = this.#made(this.backend.allocate((name === 'output' && shape) || spec.shape, spec.dtype));
    }
    this.backend.dispatch(program, bound, outputs, { signal: this.signal });
    this.release(...Object.values(bound));
    return outputs;
  }

  /** A float32 tensor of this pass as an activation, which takes it over. */
  async value(computed: DeviceTensor): Promise<Value> {
    const kept = await this.#cast(computed, this.activations);
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

  /** Rows `start` to `end` of a tensor, on a backend that has views; the caller releases it. */
  rows(source: DeviceTensor, start: number, end: number): DeviceTensor {
    return this.#made(this.backend.rows!(source, start, end));
  }

  /** Memory for a tensor, which the caller releases. */
  allocate(shape: readonly number[], dtype: DType): DeviceTensor {
    return this.#made(this.backend.allocate(shape, dtype));
  }

  /** Writes a float32 tensor of this pass to `target`, in the precision that this has. */
  async store(computed: DeviceTensor, target: DeviceTensor): Promise<void> {
    const problem = { op: 'cast', elements: elementCount(target.shape), from: 'float32' } as const;
    await this.run({ ...problem, to: target.dtype as FloatDType }, { input: computed }, { into: target });
    this.release(target);
  }

  /** Whether `given` is held once, or beside that as `beside`: nobody else reads it. */
  isAlone(given: DeviceTensor, beside: DeviceTensor): boolean {
    return this.#holds.get(given) === (given === beside ? 2 : 1);
  }

  /** Gives up values that nothing but the backward pass is to read again, which holds what it needs of them. */
  discard(...values: Value[]): void {
    for (const value of values) {
      if (!value.discarded) this.release(value.tensor);
      value.discarded = true;
    }
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
    target.gradient = before ? await this.#sum(before, gradient) : await this.#cast(gradient, this.activations);
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

  /** before + gradient in the precision of activations; gives up `before`. */
  async #sum(before: DeviceTensor, gradient: DeviceTensor): Promise<DeviceTensor> {
    const elements = elementCount(before.shape);
    const inputs = { a: new Value(before), b: gradient };
    const { output } = await this.run({ op: 'add', elements }, inputs, { last: ['a'], shape: before.shape });
    const sum = await this.#cast(output!, this.activations);
    this.release(output!);
    return sum;
  }

  /** `given` in another precision, or itself, held once more. */
  async #cast(given: DeviceTensor, to: FloatDType): Promise<DeviceTensor> {
    const from = given.dtype as FloatDType;
    if (from === to) return this.hold(given);
    const problem = { op: 'cast', elements: elementCount(given.shape), from, to } as const;
    const { output } = await this.run(problem, { input: given }, { shape: given.shape });
    return output!;
  }

  #made(made: DeviceTensor): DeviceTensor {
    this.#holds.set(made, 1);
    return made;
  }

  /** Holds a tensor of this pass once more; others are left alone. */
  hold(given: DeviceTensor): DeviceTensor {
    const holds = this.#holds.get(given);
    if (holds !== undefined) this.#holds.set(given, holds + 1);
    return given;
  }
}
