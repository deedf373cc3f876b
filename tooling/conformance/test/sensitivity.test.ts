// That the suite fails when it should: faults put into a right backend, each of which must be found.

import type {
  Backend,
  ContentOrderProblem,
  DeviceTensor,
  SelectTopKProblem,
  Support,
  TypedArray,
} from '@flashmla/tensor';
import { FlashMLAError, reference, roundingTo } from '@flashmla/tensor';
import { expect, test } from 'vitest';
import { checkContentOrder } from '../src/checks/content-order.ts';
import { checkSelectTopK } from '../src/checks/select-top-k.ts';
import { type Case, compare, conformanceCases, referenceBackend, runCase } from '../src/index.ts';
import { Random } from '../src/random.ts';
import { refusedByName } from '../src/refusals.ts';
import { seededInputs } from '../src/seeded-inputs.ts';

const cases = conformanceCases();
const find = (name: string): Case => {
  const found = cases.find((testCase) => testCase.name === name);
  if (!found) throw new Error(`no case is named '${name}'`);
  return found;
};
const plain = find('linear: 16×64×96, none, bias');

/** The reference backend with some of its methods replaced. */
function faulty(faults: (right: Backend) => Partial<Backend>): Backend {
  const right = referenceBackend();
  const own = faults(right);
  return new Proxy(right, {
    get(target, name) {
      const value: unknown = Reflect.get(own, name) ?? Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A backend whose results are changed on their way back. */
const changing = (change: (source: DeviceTensor, array: TypedArray) => void) =>
  faulty((right) => ({
    async read(source) {
      const array = await right.read(source);
      change(source, array);
      return array;
    },
  }));

test('one wrong element of many', async () => {
  const backend = changing(({ shape }, array) => {
    if (shape[1] === 96 && shape[0] === 16) array[100] = (array[100] as number) + 0.01;
  });
  await expect(runCase(backend, plain)).rejects.toThrow('output: 1 of 1536 elements are wrong, first at 100');
});

test('an op that does not work in place', async () => {
  const backend = faulty((right) => ({
    dispatch(program, inputs, outputs) {
      const inPlace = Object.values(outputs).some((output) => Object.values(inputs).includes(output));
      if (!inPlace) right.dispatch(program, inputs, outputs);
    },
  }));
  await expect(runCase(backend, find('add: 7'))).rejects.toThrow("in place, 'output' differs at element 0");
});

test('an output that is not written', async () => {
  await expect(
    runCase(
      faulty(() => ({ dispatch() {} })),
      plain,
    ),
  ).rejects.toThrow('1536 of 1536 elements are wrong');
});

test('a write beside the output', async () => {
  const backend = changing(({ dtype }, array) => {
    if (dtype === 'uint8') array[0] = 1;
  });
  await expect(runCase(backend, plain)).rejects.toThrow('guard 0 around the outputs was written to at byte 0');
});

test('an input that is written to', async () => {
  const backend = changing(({ shape }, array) => {
    if (shape[0] === 16 && shape[1] === 64) array[9] = 0;
  });
  await expect(runCase(backend, plain)).rejects.toThrow("an input was written to: 'input' differs at element 9");
});

test('results that change from run to run', async () => {
  let reads = 0;
  const backend = changing((_, array) => {
    if (reads++ === 2) array[5] = (array[5] as number) * (1 + 1e-6);
  });
  await expect(runCase(backend, find('linear: five reruns'))).rejects.toThrow("run 3 'output' differs at element 5");
});

test('memory that is not given back', async () => {
  let usedBytes = 0;
  const memory = () => ({ usedBytes: usedBytes++, peakBytes: 0, limitBytes: 0 });
  await expect(
    runCase(
      faulty(() => ({ memory })),
      plain,
    ),
  ).rejects.toThrow('1 bytes were not given back');
});

test('refusals: of what must be done, without advice, and not meant', async () => {
  const refusing = (reason: string, advice: string) =>
    faulty(() => ({ supports: (): Support => ({ supported: false, reason, advice }) }));
  const may = { ...plain, mayRefuse: true };
  await expect(runCase(refusing('too odd', 'pad it'), plain)).rejects.toThrow('refused: too odd (pad it)');
  await expect(runCase(refusing('too odd', ' '), may)).rejects.toThrow('without advice');
  await expect(runCase(refusing('too odd', 'pad it'), may)).rejects.toThrow('prepare of a refused problem');
});

test('ops of training: refused by name, where they must be done, and in part', () => {
  const refusingThose = (refused: (rows: number) => boolean) =>
    faulty((right) => ({
      supports: (problem) =>
        problem.op === 'linear-gradient' && refused(problem.rows)
          ? { supported: false, reason: 'no kernel for linear-gradient', advice: 'train elsewhere' }
          : right.supports(problem),
    }));
  const count = cases.filter(({ problem }) => problem.op === 'linear-gradient').length;
  const none = refusingThose(() => true);
  expect(refusedByName(none, 'linear-gradient', cases)).toHaveLength(count);
  expect(refusedByName(none, 'cross-entropy', cases)).toEqual([]);
  expect(() => refusedByName(none, 'linear-gradient', cases, ['linear-gradient'])).toThrow('must be done here');
  const some = refusingThose((rows) => rows === 7);
  expect(() => refusedByName(some, 'linear-gradient', cases)).toThrow('expected all or none');
});

test('a plan that makes no sense', async () => {
  const supports = (): Support => ({ supported: true, scratchBytes: 0, usefulMultiplyAdds: 2, issuedMultiplyAdds: 1 });
  await expect(
    runCase(
      faulty(() => ({ supports })),
      plain,
    ),
  ).rejects.toThrow('the plan makes no sense');
});

test('compare: tolerances, NaN and infinities', () => {
  const expected = Float64Array.of(1000, 0, Number.NaN, Number.NEGATIVE_INFINITY);
  compare('x', Float32Array.of(1000.09, 9e-6, Number.NaN, Number.NEGATIVE_INFINITY), expected);
  for (const wrong of [
    [1000.2, 0, Number.NaN, Number.NEGATIVE_INFINITY],
    [1000, 2e-5, Number.NaN, Number.NEGATIVE_INFINITY],
    [1000, 0, 0, Number.NEGATIVE_INFINITY],
    [1000, 0, Number.NaN, Number.POSITIVE_INFINITY],
    [1000, 0, Number.NaN, -3e38],
    [Number.NaN, 0, Number.NaN, Number.NEGATIVE_INFINITY],
    [Number.POSITIVE_INFINITY, 0, Number.NaN, Number.NEGATIVE_INFINITY],
  ]) {
    expect(() => compare('x', Float32Array.from(wrong), expected)).toThrow('x: 1 of 4 elements are wrong');
  }
  expect(() => compare('x', new Float32Array(4).fill(1e-5), Float64Array.of(1e-5, 5e-6, 1e-5, 5e-6))).toThrow(
    'cosine difference',
  );
});

test.each([
  ['float16', 2 ** -10],
  ['bfloat16', 2 ** -7],
] as const)('%s: twice as wrong as naive is right, sums in it are not', (dtype, lastPlace) => {
  const { problem, inputs: make, check } = find(`linear: 3×213×213, relu, bias, ${dtype}`);
  const inputs = make();
  const round = roundingTo(dtype);
  const right = reference(problem, inputs).output!;
  const naive = reference(problem, inputs, round).output!;
  expect(() => check({ output: naive }, inputs)).not.toThrow();
  expect(() => check({ output: right.map(round) }, inputs)).not.toThrow();
  const sumsInHalf = right.map((_, at) => {
    const [row, out] = [Math.floor(at / 213), at % 213];
    let sum = inputs.bias![out]!;
    for (let i = 0; i < 213; i++) {
      sum = round(sum + inputs.input![row * 213 + i]! * inputs.weight![out * 213 + i]!);
    }
    return Math.max(sum, 0);
  });
  expect(() => check({ output: sumsInHalf }, inputs)).toThrow(/of 639 elements are wrong/);
  // Each element within what it may be off by, but all of them at once.
  const drifted = right.map((value, at) => {
    const start = at - (at % 213);
    const squares = Array.from({ length: 213 }, (_, i) => (naive[start + i]! - right[start + i]!) ** 2);
    return value + 2 * Math.sqrt(squares.reduce((a, b) => a + b) / 213) + 0.9 * lastPlace * value;
  });
  expect(() => check({ output: drifted }, inputs)).toThrow('all elements together are off by');
  expect(() => check({ output: right.with(7, Number.NaN) }, inputs)).toThrow('1 of 639 elements are wrong, first at 7');
});

test.each(['float16', 'bfloat16'])('%s that is done and not named, or named and not done', async (dtype) => {
  const half = find(`linear: 16×64×96, relu, bias, ${dtype}`);
  const device = { ...referenceBackend().device, features: [] };
  await expect(
    runCase(
      faulty(() => ({ device })),
      half,
    ),
  ).rejects.toThrow('device.features do not name it');
  const supports = (): Support => ({ supported: false, reason: 'none here', advice: 'leave dtype out' });
  await expect(
    runCase(
      faulty(() => ({ supports })),
      half,
    ),
  ).rejects.toThrow('refused: none here');
  const prepare = () => Promise.reject(new FlashMLAError('unsupported', '[test] refused'));
  await runCase(
    faulty(() => ({ device, supports, prepare })),
    half,
  );
});

test('content orders that are none', () => {
  const testCase = find('content-order: 1×2×257×8, leaf 16, mask');
  const problem = testCase.problem as ContentOrderProblem;
  const inputs = testCase.inputs();
  const right = reference(problem, inputs).order!;
  const check = (change: (order: Int32Array) => unknown) => () => {
    const order = Int32Array.from(right);
    change(order);
    checkContentOrder(problem, inputs, order);
  };
  expect(check(() => {})).not.toThrow();
  expect(check((order) => order.fill(7, 3, 5))).toThrow('not a permutation');
  expect(check((order) => order.subarray(0, 16).reverse())).toThrow('expected ascending tokens');
  expect(check((order) => order.subarray(250, 257).reverse())).toThrow('absent tokens');
  expect(check((order) => order.subarray(0, 257).reverse())).toThrow('absent token comes before');
  expect(check((order) => order.copyWithin(0, 16, 32).set(right.subarray(0, 16), 16))).toThrow('not split at');
  expect(check((order) => order.subarray(0, 160).sort())).toThrow('not split at');
});

test('top-k lists that are none', () => {
  const problem: SelectTopKProblem = {
    op: 'select-top-k',
    batch: 1,
    heads: 1,
    queries: 64,
    keys: 64,
    rank: 4,
    tileQueries: 1,
    blockKeys: 1,
    slots: 12,
    headSlots: false,
    keyOrder: false,
    queryOrder: false,
    mask: false,
    causal: false,
    forceFirst: 1,
    forceDiagonal: 2,
    biasSpan: -1,
    coarseBlocks: 8,
    coarseSlots: 3,
  };
  const inputs = seededInputs(problem, new Random('top-k lists that are none'));
  const right = reference(problem, inputs).indices!;
  const query = 5;
  const rightList = [...right.subarray(12 * query, 12 * (query + 1))];
  const check = (change: (list: Int32Array) => unknown) => () => {
    const indices = Int32Array.from(right);
    change(indices.subarray(12 * query, 12 * (query + 1)));
    checkSelectTopK(problem, inputs, indices);
  };
  expect(check(() => {})).not.toThrow();
  expect(check((list) => list.reverse())).toThrow('not ascending');
  expect(check((list) => list.fill(64, 11))).toThrow('not ascending blocks below 64');
  expect(check((list) => list.fill(-1, 11))).toThrow('expected 8');
  expect(check((list) => list.fill(-1, 5, 6))).toThrow('entries after a −1');
  expect(check((list) => list.fill(1, 0, 1))).toThrow('forced block 0 is not listed');

  // Any other block in the place of a chosen one: not of a chosen group, or worse than the one it replaced.
  const chosen = rightList.findIndex((block) => ![0, 4, 5, 6].includes(block));
  for (const block of Array.from({ length: 64 }, (_, i) => i).filter((i) => !rightList.includes(i))) {
    expect(
      check((list) => {
        list[chosen] = block;
        list.sort();
      }),
    ).toThrow(/is not in one of the best groups|better than/);
  }
});
