// Shapes, tensors and problems: what is taken and what is refused, for any numbers.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkShape,
  costOf,
  type DType,
  elementCount,
  FlashMLAError,
  inputSpecs,
  outputSpecs,
  type Problem,
  problemKey,
  tensor,
  validateProblem,
} from '../src/index.ts';

const shape = fc.array(fc.nat(6), { maxLength: 5 });

test('elementCount multiplies, and splits along any axis', () => {
  fc.assert(
    fc.property(shape, shape, (a, b) => {
      expect(elementCount([...a, ...b])).toBe(elementCount(a) * elementCount(b));
    }),
  );
});

test('a tensor is taken when its elements fill its shape, and only then', () => {
  fc.assert(
    fc.property(shape, fc.nat(200), (drawn, length) => {
      const data = new Float32Array(length);
      if (length === elementCount(drawn)) expect(tensor(data, drawn).array).toBe(data);
      else expect(() => tensor(data, drawn)).toThrow(FlashMLAError);
      expect(tensor(new Int32Array(elementCount(drawn)), drawn).shape).toEqual(drawn);
    }),
  );
});

test('what is no whole number ≥ 0 is no size', () => {
  const bad = fc.oneof(
    fc.integer({ max: -1 }),
    fc.double().filter((value) => !Number.isSafeInteger(value)),
    fc.constantFrom(null, undefined, '3', {}),
  );
  fc.assert(
    fc.property(shape, bad, fc.nat(), (drawn, size, at) => {
      const broken = drawn.toSpliced(at % (drawn.length + 1), 0, size as number);
      expect(() => checkShape(broken)).toThrow('whole numbers ≥ 0');
    }),
  );
});

const attention = {
  batch: 2,
  heads: 2,
  queries: 5,
  keys: 7,
  headDim: 4,
  layout: 'heads-first' as const,
  scale: 1,
  mask: true,
  causal: false,
};
const problems: Problem[] = [
  { op: 'linear', rows: 3, inFeatures: 4, outFeatures: 5, bias: true, activation: 'gelu' },
  { op: 'layer-norm', rows: 3, modelDim: 4, epsilon: 1e-12, residual: true },
  { op: 'embedding', rows: 3, modelDim: 4, vocabulary: 9, positions: 5, types: 2 },
  { op: 'dense-attention', ...attention },
  {
    op: 'sparse-attention',
    ...attention,
    tileQueries: 2,
    blockKeys: 2,
    slots: 3,
    keyOrder: true,
    queryOrder: true,
    residualGroup: 4,
  },
  { op: 'gate-projection', batch: 2, heads: 2, tokens: 5, features: 4, rank: 8, layout: 'tokens-first' },
  { op: 'content-order', batch: 2, heads: 2, tokens: 33, rank: 8, leaf: 16, mask: true },
  {
    op: 'select-top-k',
    batch: 2,
    heads: 2,
    queries: 5,
    keys: 7,
    rank: 8,
    tileQueries: 2,
    blockKeys: 2,
    slots: 3,
    headSlots: false,
    keyOrder: true,
    queryOrder: true,
    mask: true,
    causal: false,
    forceFirst: 1,
    forceDiagonal: 1,
    biasSpan: 2,
    coarseBlocks: 0,
    coarseSlots: 0,
  },
  { op: 'select-slots', batch: 2, heads: 2, tokens: 5, slotCount: 3, slots: 2, mask: true },
  {
    op: 'block-pool',
    batch: 2,
    heads: 2,
    tokens: 5,
    features: 4,
    block: 2,
    statistics: 'mean',
    layout: 'heads-first',
    mask: true,
  },
];

test.each(problems.map((problem) => [problem.op, problem] as const))('%s: numbers, shapes and costs', (_, problem) => {
  validateProblem(problem);
  for (const specs of [inputSpecs(problem), outputSpecs(problem)]) {
    for (const spec of Object.values(specs)) checkShape(spec.shape);
  }
  expect(costOf(problem).flops).toBeGreaterThan(0);
  expect(costOf(problem).bytes).toBeGreaterThan(0);

  // Every whole-number dimension refuses what is none, by name. The scale and epsilon may be any number.
  for (const [name, value] of Object.entries(problem)) {
    if (typeof value !== 'number' || name === 'scale' || name === 'epsilon') continue;
    for (const wrong of [-2, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => validateProblem({ ...problem, [name]: wrong } as Problem)).toThrow(`${name} is ${wrong}`);
    }
  }
});

test('equal problems have equal keys, whatever the order of their fields, and others have other keys', () => {
  for (const problem of problems) {
    const backwards = Object.fromEntries(Object.entries(problem).toReversed()) as unknown as Problem;
    expect(problemKey(backwards)).toBe(problemKey(problem));
    for (const [name, value] of Object.entries(problem)) {
      const other = typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : `${value}x`;
      expect(problemKey({ ...problem, [name]: other } as Problem)).not.toBe(problemKey(problem));
    }
    expect(problemKey({ ...problem, dtype: 'float32' } as Problem)).toBe(problemKey(problem));
    expect(problemKey({ ...problem, dtype: undefined } as Problem)).toBe(problemKey(problem));
    expect(problemKey({ ...problem, dtype: 'float16' } as Problem)).not.toBe(problemKey(problem));
  }
});

test('an embedding touches the rows of its tables that it reads, and no table twice', () => {
  const problem = { op: 'embedding', rows: 3, modelDim: 4, vocabulary: 1000, positions: 10, types: 2 } as const;
  // Ids; rows of words and positions; the two rows of types; the output.
  expect(costOf(problem).bytes).toBe(3 * 3 * 4 + 2 * 3 * 16 + 2 * 16 + 3 * 16);
});

test('half precision: which floats it is of, what it costs, and what is none', () => {
  const ofDType = (dtype: DType, problem: Problem) =>
    Object.entries({ ...inputSpecs(problem), ...outputSpecs(problem) }).flatMap(([name, spec]) =>
      spec.dtype === dtype ? [name] : [],
    );
  const expected = {
    linear: ['input', 'weight', 'bias', 'output'],
    'layer-norm': ['input', 'residual', 'weight', 'bias', 'output'],
    embedding: ['word', 'position', 'type', 'output'],
    'dense-attention': ['query', 'key', 'value', 'output'],
    'sparse-attention': ['query', 'key', 'value', 'output'],
    'gate-projection': ['input'],
    'content-order': [],
    'select-top-k': [],
    'select-slots': ['scores'],
    'block-pool': ['input'],
  };
  for (const problem of problems) {
    for (const dtype of ['float16', 'bfloat16'] as const) {
      expect(ofDType(dtype, problem), problem.op).toEqual([]);
      const half = { ...problem, dtype } as Problem;
      validateProblem(half);
      expect(ofDType(dtype, half), problem.op).toEqual(expected[problem.op]);
    }
    expect(() => validateProblem({ ...problem, dtype: 'float8' } as unknown as Problem)).toThrow("dtype is 'float8'");
  }
  const [linear] = problems;
  expect(costOf({ ...linear, dtype: 'float16' } as Problem).bytes).toBe(costOf(linear).bytes / 2);
});
