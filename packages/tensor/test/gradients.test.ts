// References of gradients against central finite differences of the forward ops' references, in float64.

import { describe, expect, test } from 'vitest';
import {
  elementCount,
  inputSpecs,
  outputSpecs,
  type Problem,
  randomNormal,
  randomSource,
  reference,
} from '../src/index.ts';

type Arrays = Record<string, Float64Array | Int32Array | Uint8Array>;

/** Element by element (f(x + step) − f(x − step)) / 2·step is off by step²·f‴/6 and by 1e-16·f/step. */
const step = 1e-5;

const normals = (seed: number, count: number): Float64Array =>
  Float64Array.from(randomNormal(count, randomSource(seed)));

/** Normal floats for what `given` leaves out. */
function inputsOf(problem: Problem, given: Arrays = {}): Arrays {
  const named = Object.entries(inputSpecs(problem)).map(([name, { shape }], i) => [
    name,
    given[name] ?? normals(i + 1, elementCount(shape)),
  ]);
  return Object.fromEntries(named);
}

/** What the gradient's reference is off by, in relation to the size of the whole tensor. */
function relativeError(actual: ArrayLike<number>, expected: Float64Array): number {
  let [error, size] = [0, 0];
  for (const [i, value] of expected.entries()) {
    error += (actual[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}

/**
 * Raises unless `gradient`, given weights for the elements of the forward op's output, tells how their weighted sum
 * changes with each input in `names`.
 */
function expectGradients(forward: Problem, gradient: Problem, names: readonly string[], given: Arrays = {}): void {
  const inputs = inputsOf(forward, given);
  const output = Object.keys(outputSpecs(forward))[0]!;
  const outputs = reference(forward, inputs);
  const weights = normals(99, outputs[output]!.length);
  const loss = (changed: Arrays) => {
    const values = reference(forward, changed)[output]!;
    return weights.reduce((sum, weight, i) => sum + weight * values[i]!, 0);
  };
  const gradients = reference(gradient, { ...inputs, ...outputs, outputGradient: weights } as Arrays);
  for (const name of names) {
    const values = inputs[name] as Float64Array;
    const differences = values.map((value, i) => {
      const at = (changed: number) => loss({ ...inputs, [name]: values.with(i, changed) });
      return (at(value + step) - at(value - step)) / (2 * step);
    });
    expect(relativeError(gradients[`${name}Gradient`]!, differences), name).toBeLessThanOrEqual(1e-6);
  }
}

describe('linear-gradient', () => {
  test.each(['none', 'gelu', 'gelu-tanh', 'tanh', 'relu'] as const)('%s', (activation) => {
    for (const bias of [false, true]) {
      const sizes = { rows: 5, inFeatures: 7, outFeatures: 3, bias, activation };
      expectGradients({ op: 'linear', ...sizes }, { op: 'linear-gradient', ...sizes }, [
        'input',
        'weight',
        ...(bias ? ['bias'] : []),
      ]);
    }
  });
});

test.each(['gelu', 'gelu-tanh', 'tanh', 'relu'] as const)('activation-gradient: %s', (activation) => {
  const sizes = { elements: 50, activation };
  expectGradients({ op: 'activation', ...sizes }, { op: 'activation-gradient', ...sizes }, ['input']);
});

test.each([false, true])('layer-norm-gradient, residual: %s', (residual) => {
  const sizes = { rows: 4, modelDim: 9, epsilon: 1e-5, residual };
  const forward = { op: 'layer-norm', ...sizes } as const;
  const gradient = { op: 'layer-norm-gradient', ...sizes } as const;
  expectGradients(forward, gradient, ['input', 'weight', 'bias']);
  if (!residual) return;
  const inputs = inputsOf(forward);
  const swapped = { ...inputs, input: inputs.residual!, residual: inputs.input! };
  const outputGradient = normals(3, 36);
  expect(reference(gradient, { ...inputs, outputGradient })).toEqual(
    reference(gradient, { ...swapped, outputGradient }),
  );
});

const dimensions = {
  batch: 2,
  heads: 1,
  queries: 20,
  keys: 36,
  headDim: 2,
  layout: 'heads-first',
  scale: 0.5,
  mask: false,
  causal: false,
} as const;

/** A mask that leaves out every fifth key. */
const keyMask = Uint8Array.from({ length: dimensions.batch * dimensions.keys }, (_, i) => Number(i % 5 !== 2));
const attentionInputNames = ['query', 'key', 'value'];

describe('dense-attention-gradient', () => {
  test.each([
    {},
    { layout: 'tokens-first', heads: 2 },
    { mask: true },
    { causal: true },
    { causal: true, keys: 12 },
  ] as const)('%o', (own) => {
    const sizes = { ...dimensions, ...own };
    const given: Arrays = 'mask' in own ? { keyMask } : {};
    expectGradients(
      { op: 'dense-attention', ...sizes },
      { op: 'dense-attention-gradient', ...sizes },
      attentionInputNames,
      given,
    );
  });
});

describe('sparse-attention-gradient', () => {
  const orders = { keyOrder: true, queryOrder: true };
  const options = [
    {},
    { causal: true },
    { mask: true, ...orders },
    { residualGroup: 1 },
    { residualGroup: 1, mask: true, ...orders },
    { layout: 'tokens-first', heads: 2, residualGroup: 1, keyOrder: true },
  ] as const;
  const kinds = [
    { tileQueries: 1, blockKeys: 1 },
    { tileQueries: 16, blockKeys: 1 },
    { tileQueries: 64, blockKeys: 1 },
    { tileQueries: 16, blockKeys: 16 },
    { tileQueries: 64, blockKeys: 64 },
  ];
  for (const { tileQueries, blockKeys } of kinds) {
    test.each(options)(`tiles ${tileQueries}×${blockKeys}, %o`, (own) => {
      // At least a whole tile and block and a piece of another.
      const [queries, keys] = [Math.max(20, tileQueries + 4), Math.max(20, blockKeys + 4)];
      const slots = blockKeys === 1 ? 6 : 2;
      const sizes = {
        ...{
          ...dimensions,
          batch: 1,
          queries,
          keys,
          tileQueries,
          blockKeys,
          slots,
          keyOrder: false,
          queryOrder: false,
        },
        ...{ ...own, residualGroup: 'residualGroup' in own ? Math.max(blockKeys, 8) : 0 },
      };
      const rows = sizes.batch * sizes.heads;
      const blocks = Math.ceil(keys / blockKeys);
      const tiles = Math.ceil(queries / tileQueries);
      // A third of the entries name no block; some come twice.
      const indices = Int32Array.from({ length: rows * tiles * slots }, (_, i) => ((i * 7) % (blocks + 3)) - 1);
      const reversed = (length: number) =>
        Int32Array.from({ length: rows * length }, (_, i) => length - 1 - (i % length));
      expectGradients(
        { op: 'sparse-attention', ...sizes },
        { op: 'sparse-attention-gradient', ...sizes },
        attentionInputNames,
        {
          indices,
          ...(sizes.keyOrder && { keyOrder: reversed(keys) }),
          ...(sizes.queryOrder && { queryOrder: reversed(queries) }),
          ...(sizes.mask && {
            keyMask: Uint8Array.from({ length: sizes.batch * keys }, (_, i) => Number(i % 5 !== 2)),
          }),
        },
      );
    });
  }
});

test('cross-entropy: the gradient of the scaled sum of all losses; unlabelled rows have none', () => {
  const [rows, classes, scale] = [4, 5, 0.3];
  const problem = { op: 'cross-entropy', rows, classes, scale } as const;
  const logits = normals(1, rows * classes);
  const labels = Int32Array.of(4, -100, 0, 2);
  const { loss, logitsGradient } = reference(problem, { logits, labels });
  const sum = (changed: Float64Array) =>
    [...reference(problem, { logits: changed, labels }).loss!].reduce((total, value) => total + value, 0) * scale;
  const differences = logits.map(
    (value, i) => (sum(logits.with(i, value + step)) - sum(logits.with(i, value - step))) / (2 * step),
  );
  expect(relativeError(logitsGradient!, differences)).toBeLessThanOrEqual(1e-6);
  expect(loss![1]).toBe(0);
  expect(logitsGradient!.slice(classes, 2 * classes)).toEqual(new Float64Array(classes));
});

test('embedding-gradient', () => {
  const sizes = { rows: 7, modelDim: 3, vocabulary: 5, positions: 4, types: 2 };
  expectGradients({ op: 'embedding', ...sizes }, { op: 'embedding-gradient', ...sizes }, ['word', 'position', 'type'], {
    tokenIds: Int32Array.of(0, 4, 4, 1, 0, 4, 2),
    positionIds: Int32Array.of(0, 1, 2, 0, 1, 2, 0),
    typeIds: Int32Array.of(0, 0, 1, 1, 0, 1, 1),
  });
});
