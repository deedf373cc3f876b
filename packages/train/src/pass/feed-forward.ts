// The feed-forward network of a layer, where there are many rows in pieces: its inner activations, four times as wide as all
// others, are then never there whole. The backward pass computes them again, piece by piece (Chen et al. 2016, arXiv
// 1604.06174): the first product, which the gradient of a whole network computes again as well, and not the second, which no
// gradient needs. So pieces save memory and cost no time.

import type { LayerParts, LinearParts } from '@flashmla/model-swap';
import { type Activation, type DeviceTensor, elementCount, type Nonlinearity } from '@flashmla/tensor';
import type { Parameter } from '../parameter.ts';
import { linear, rowsOf } from './steps.ts';
import type { Tape } from './tape.ts';
import { Value } from './value.ts';

/** Rows of a piece: few enough for pieces to be small beside all rows, enough for products to run as fast as on all. */
const pieceRows = 1024;

/** The two layers, and what is between them. */
export interface FeedForwardParts extends Pick<LayerParts<Parameter>, 'intermediate' | 'contract'> {
  readonly activation: Nonlinearity;
}

/** contract(activation(intermediate(input))), for an input [..., modelDim]. */
export async function feedForward(tape: Tape, input: Value, parts: FeedForwardParts): Promise<Value> {
  const rows = rowsOf(input);
  if (tape.backend.rows && rows > pieceRows) return inPieces(tape, input, parts, rows);
  const wide = await linear(tape, input, parts.intermediate, parts.activation);
  const narrow = await linear(tape, wide, parts.contract);
  tape.discard(wide);
  return narrow;
}

async function inPieces(tape: Tape, input: Value, parts: FeedForwardParts, rows: number): Promise<Value> {
  const starts = Array.from({ length: Math.ceil(rows / pieceRows) }, (_, piece) => piece * pieceRows);
  const piece = (whole: DeviceTensor, start: number) => tape.rows(whole, start, Math.min(start + pieceRows, rows));
  const output = new Value(tape.allocate(input.shape, tape.activations));
  for (const start of starts) {
    const [from, to] = [piece(input.tensor, start), piece(output.tensor, start)];
    const wide = await product(tape, new Value(from), parts.intermediate, parts.activation);
    const narrow = await product(tape, wide, parts.contract);
    await tape.store(narrow, to);
    tape.release(from, to, wide, narrow);
  }
  tape.hold(input.tensor);
  tape.record(output, async ({ tensor: outputGradient }) => {
    const before = input.gradient;
    // Where nobody else needs the sum so far, nor what flows in here, which may be the same, it is added to row by row.
    const alone = before && tape.isAlone(before, outputGradient);
    const sum = alone ? before : tape.allocate(input.shape, tape.activations);
    for (const start of starts) {
      const [from, flowing, to] = [piece(input.tensor, start), piece(outputGradient, start), piece(sum, start)];
      const found = await gradientOf(tape, new Value(from), parts, new Value(flowing));
      const own = before && piece(before, start);
      const total = own ? await plus(tape, found, new Value(own)) : found;
      await tape.store(total, to);
      tape.release(from, flowing, to, total, ...(own ? [own] : []));
    }
    if (before && !alone) tape.release(before);
    input.gradient = sum;
    tape.release(input.tensor, outputGradient);
  });
  return output;
}

/** What flows to rows of the input, float32. */
async function gradientOf(tape: Tape, input: Value, parts: FeedForwardParts, flowing: Value): Promise<DeviceTensor> {
  const sums = await product(tape, input, parts.intermediate);
  const problem = { op: 'activation', elements: elementCount(sums.shape), activation: parts.activation } as const;
  const { output: wide } = await tape.run(problem, { input: sums }, { shape: sums.shape });
  const wideGradient = await productGradient(tape, wide!, parts.contract, flowing);
  tape.release(wide!);
  const { inputGradient: sumsGradient } = await tape.run(
    { ...problem, op: 'activation-gradient' },
    { input: sums, outputGradient: wideGradient },
    { last: ['input', 'outputGradient'] },
  );
  const found = await productGradient(tape, input, parts.intermediate, sumsGradient!);
  tape.release(sumsGradient!);
  return found;
}

// The ops of a piece. They are noted nowhere; what they give is float32, and their callers release it.

async function product(
  tape: Tape,
  input: Value | DeviceTensor,
  { weight, bias }: LinearParts<Parameter>,
  activation: Activation = 'none',
): Promise<DeviceTensor> {
  const problem = { op: 'linear', ...sizesOf(input, weight), activation } as const;
  const { output } = await tape.run(problem, { input, weight, bias });
  return output!;
}

/** What flows to the input; what flows to weight and bias is added to theirs. */
async function productGradient(
  tape: Tape,
  input: Value | DeviceTensor,
  { weight, bias }: LinearParts<Parameter>,
  outputGradient: Value | DeviceTensor,
): Promise<DeviceTensor> {
  const problem = { op: 'linear-gradient', ...sizesOf(input, weight), activation: 'none' } as const;
  const { inputGradient, weightGradient, biasGradient } = await tape.run(problem, { input, weight, outputGradient });
  await tape.flow(weight, weightGradient!);
  await tape.flow(bias, biasGradient!);
  return inputGradient!;
}

/** a + b; takes `a` over. */
async function plus(tape: Tape, a: DeviceTensor, b: Value): Promise<DeviceTensor> {
  const { output } = await tape.run({ op: 'add', elements: elementCount(a.shape) }, { a, b }, { last: ['a'] });
  return output!;
}

const sizesOf = (input: Value | DeviceTensor, { tensor: { shape } }: Parameter) => {
  const [outFeatures, inFeatures] = shape as [number, number];
  return { rows: elementCount(input.shape) / inFeatures, inFeatures, outFeatures, bias: true };
};
