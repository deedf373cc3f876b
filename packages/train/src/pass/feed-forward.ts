// The feed-forward network of a layer in pieces of rows: its inner activations, four times as wide as all others, are never
// there whole. The backward pass computes them again, piece by piece (Chen et al. 2016, arXiv 1604.06174), but the second
// product, whose gradient does not need it. That costs no more than a gradient of the whole, which computes what is before
// the activation again as well.

import type { LayerParts, LinearParts } from '@flashmla/model-swap';
import { type Activation, type DeviceTensor, elementCount } from '@flashmla/tensor';
import type { Parameter } from '../parameter.ts';
import { linear, rowsOf } from './steps.ts';
import type { Tape } from './tape.ts';
import { Value } from './value.ts';

/** Rows of a piece: few enough for the pieces to be small beside all rows, enough for products to run as fast as whole. */
const pieceRows = 1024;

/** contract(activation(intermediate(input))), for an input [..., modelDim]. */
export async function feedForward(
  tape: Tape,
  input: Value,
  { intermediate, contract }: Pick<LayerParts<Parameter>, 'intermediate' | 'contract'>,
  activation: Activation,
): Promise<Value> {
  const rows = rowsOf(input);
  if (!tape.backend.rows || rows <= pieceRows) {
    const wide = await linear(tape, input, intermediate, activation);
    const narrow = await linear(tape, wide, contract);
    tape.discard(wide);
    return narrow;
  }
  const pieces = Array.from({ length: Math.ceil(rows / pieceRows) }, (_, piece) => {
    const start = piece * pieceRows;
    return { start, end: Math.min(start + pieceRows, rows) };
  });
  const output = new Value(tape.allocate(input.shape, tape.activations));
  for (const { start, end } of pieces) {
    const [from, to] = [tape.rows(input.tensor, start, end), tape.rows(output.tensor, start, end)];
    const wide = await forward(tape, new Value(from), intermediate, activation);
    const narrow = await forward(tape, wide, contract, 'none');
    await tape.store(narrow, to);
    tape.release(from, to, wide, narrow);
  }
  tape.hold(input.tensor);
  tape.record(output, async (outputGradient) => {
    const before = input.gradient;
    const alone = before && tape.isAlone(before, outputGradient.tensor);
    const sum = alone ? before : tape.allocate(input.shape, tape.activations);
    for (const { start, end } of pieces) {
      const views = [input.tensor, outputGradient.tensor, sum].map((whole) => tape.rows(whole, start, end));
      const [from, flowing, to] = views as [DeviceTensor, DeviceTensor, DeviceTensor];
      const gradient = await backward(
        tape,
        new Value(from),
        new Value(flowing),
        { intermediate, contract },
        activation,
      );
      // `to` may be the memory of `flowing`, which has been read by now.
      if (before) {
        const own = tape.rows(before, start, end);
        const { output: added } = await tape.run(
          { op: 'add', elements: elementCount(own.shape) },
          { a: gradient, b: new Value(own) },
          { last: ['a'] },
        );
        await tape.store(added!, to);
        tape.release(own, added!);
      } else {
        await tape.store(gradient, to);
        tape.release(gradient);
      }
      tape.release(...views);
    }
    if (before && !alone) tape.release(before);
    input.gradient = sum;
    tape.release(input.tensor, outputGradient.tensor);
  });
  return output;
}

/** activation(input · weightᵀ + bias), float32, for as many rows as `input` has; the caller releases it. */
async function forward(
  tape: Tape,
  input: Value | DeviceTensor,
  { weight, bias }: LinearParts<Parameter>,
  activation: Activation,
): Promise<DeviceTensor> {
  const problem = { op: 'linear', ...sizesOf(input, weight), activation } as const;
  const { output } = await tape.run(problem, { input, weight, bias });
  return output!;
}

/** What flows to a piece of the input, float32; the caller releases it. */
async function backward(
  tape: Tape,
  input: Value,
  flowing: Value,
  { intermediate, contract }: Pick<LayerParts<Parameter>, 'intermediate' | 'contract'>,
  activation: Activation,
): Promise<DeviceTensor> {
  const wide = await forward(tape, input, intermediate, activation);
  const wideGradient = await linearGradient(tape, wide, contract, 'none', flowing);
  tape.release(wide);
  const gradient = await linearGradient(tape, input, intermediate, activation, wideGradient);
  tape.release(wideGradient);
  return gradient;
}

async function linearGradient(
  tape: Tape,
  input: Value | DeviceTensor,
  { weight, bias }: LinearParts<Parameter>,
  activation: Activation,
  outputGradient: Value | DeviceTensor,
): Promise<DeviceTensor> {
  const problem = { op: 'linear-gradient', ...sizesOf(input, weight), activation } as const;
  const inputs = { input, weight, outputGradient, ...(activation !== 'none' && { bias }) };
  const { inputGradient, weightGradient, biasGradient } = await tape.run(problem, inputs);
  await tape.flow(weight, weightGradient!);
  await tape.flow(bias, biasGradient!);
  return inputGradient!;
}

const sizesOf = (input: Value | DeviceTensor, { tensor: { shape } }: Parameter) => {
  const [outFeatures, inFeatures] = shape as [number, number];
  return { rows: elementCount(input.shape) / inFeatures, inFeatures, outFeatures, bias: true };
};
