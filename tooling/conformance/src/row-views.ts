// What the contract promises of `rows`, on backends that have it: the same memory, its lifetime, its order, its errors.

import { type Backend, type DeviceTensor, FlashMLAError, type LinearProblem, tensor } from '@flashmla/tensor';
import { compare } from './compare.ts';
import type { ContractCheck } from './contract.ts';
import { counting, doubling, expectEqual, expectError, twiceIdentity } from './doubling.ts';

type Rows = NonNullable<Backend['rows']>;

/** A check that passes where the backend has no views: nothing is promised there. */
function onViews(
  name: string,
  run: (backend: Backend, rows: (...given: Parameters<Rows>) => DeviceTensor) => Promise<void>,
): ContractCheck {
  return {
    name: `row views, where there are any: ${name}`,
    run: async (backend) => {
      if (backend.rows) await run(backend, (...given) => backend.rows!(...given));
    },
  };
}

const twoRows: LinearProblem = { ...doubling, rows: 2 };
const elements = async (source: DeviceTensor) => (await source.data()) as Float32Array;

async function expectElements(what: string, source: DeviceTensor, expected: readonly number[]): Promise<void> {
  compare(what, await elements(source), Float64Array.from(expected));
}

export function rowViewChecks(): ContractCheck[] {
  return [
    onViews('they are rows of the last axis, and read as such', async (backend, rows) => {
      using whole = backend.upload(tensor(counting(), [2, 3, 4]));
      using middle = rows(whole, 2, 5);
      expectEqual('shape', middle.shape.join(), '3,4');
      await expectElements('rows 2 to 5', middle, [...counting().subarray(8, 20)]);
      using inner = rows(middle, 1, 2);
      await expectElements('row 1 of them', inner, [...counting().subarray(12, 16)]);
      using shaped = rows(whole, 2, 4, [1, 2, 2, 2]);
      expectEqual('the shape asked for', shaped.shape.join(), '1,2,2,2');
      await expectElements('rows 2 to 4', shaped, [...counting().subarray(8, 16)]);
      using none = rows(whole, 6, 6);
      expectEqual('elements of no rows', (await elements(none)).length, 0);
      using bits = backend.upload(
        tensor(
          Uint16Array.from({ length: 10 }, (_, i) => i),
          [5, 2],
          'float16',
        ),
      );
      using half = rows(bits, 1, 3);
      expectEqual('bit patterns', [...(await half.data())].join(), '2,3,4,5');
    }),
    onViews('ops read them and write them, and what is beside them stays', async (backend, rows) => {
      using input = backend.upload(tensor(counting(), [6, 4]));
      using weight = backend.upload(tensor(twiceIdentity(), [4, 4]));
      using output = backend.upload(tensor(new Float32Array(24).fill(7), [6, 4]));
      using from = rows(input, 3, 5);
      using to = rows(output, 1, 3);
      backend.dispatch(await backend.prepare(twoRows), { input: from, weight }, { output: to });
      const expected = new Array<number>(24).fill(7);
      counting()
        .subarray(12, 20)
        .forEach((value, i) => {
          expected[4 + i] = 2 * value;
        });
      await expectElements('the whole output', output, expected);
      await expectElements('the input', input, [...counting()]);
    }),
    onViews('work on them is done in the order it was dispatched', async (backend, rows) => {
      using held = backend.upload(tensor(counting(), [6, 4]));
      using weight = backend.upload(tensor(twiceIdentity(), [4, 4]));
      const program = await backend.prepare(twoRows);
      for (const start of [0, 2]) {
        using from = rows(held, start, start + 2);
        using to = rows(held, start + 2, start + 4);
        backend.dispatch(program, { input: from, weight }, { output: to });
      }
      const first = counting().subarray(0, 8);
      await expectElements(
        'all rows',
        held,
        [1, 2, 4].flatMap((factor) => [...first].map((value) => factor * value)),
      );
    }),
    onViews('the memory goes back with the last that is disposed, in any order', async (backend, rows) => {
      await backend.synchronize();
      const before = backend.memory().usedBytes;
      const whole = backend.upload(tensor(counting(), [6, 4]));
      const during = backend.memory().usedBytes;
      const view = rows(whole, 1, 3);
      expectEqual('bytes in use with a view', backend.memory().usedBytes, during);
      whole.dispose();
      expectEqual('bytes in use with the view alone', backend.memory().usedBytes, during);
      using _other = backend.upload(tensor(new Float32Array(24), [6, 4]));
      await expectElements('the view alone', view, [...counting().subarray(4, 12)]);
      view.dispose();
      view.dispose();
      expectEqual('bytes in use at the end', backend.memory().usedBytes, during);
      _other.dispose();
      expectEqual('bytes in use after all', backend.memory().usedBytes, before);
    }),
    onViews('what was skipped is not read, neither from them nor from the whole', async (backend, rows) => {
      using input = backend.upload(tensor(counting(), [6, 4]));
      using weight = backend.upload(tensor(twiceIdentity(), [4, 4]));
      using output = backend.upload(tensor(new Float32Array(24), [6, 4]));
      using from = rows(input, 0, 2);
      using to = rows(output, 2, 4);
      using beside = rows(output, 4, 6);
      const program = await backend.prepare(twoRows);
      const reason = new FlashMLAError('invalid-argument', '[conformance] the check aborts its signal.');
      backend.dispatch(program, { input: from, weight }, { output: to }, { signal: AbortSignal.abort(reason) });
      for (const [what, source] of Object.entries({ 'the view': to, 'the whole': output })) {
        const error = await expectError(`reading ${what}`, () => backend.read(source));
        expectEqual(`what reading ${what} raised`, error, reason);
      }
      await expectElements('rows beside', beside, new Array<number>(8).fill(0));
      backend.dispatch(program, { input: from, weight }, { output: to });
      await expectElements(
        'the view, written after all',
        to,
        [...counting().subarray(0, 8)].map((value) => 2 * value),
      );
      expectEqual('elements of the whole', (await elements(output)).length, 24);
    }),
    onViews('an output may not overlap an input', async (backend, rows) => {
      using held = backend.upload(tensor(counting(), [6, 4]));
      using weight = backend.upload(tensor(twiceIdentity(), [4, 4]));
      const program = await backend.prepare(twoRows);
      using input = rows(held, 0, 2);
      using output = rows(held, 1, 3);
      await expectError('an overlapping output', () => backend.dispatch(program, { input, weight }, { output }));
      const add = { op: 'add', elements: 8 } as const;
      if (!backend.supports(add).supported) return;
      using other = backend.upload(tensor(counting().slice(0, 8), [2, 4]));
      const sum = await backend.prepare(add);
      await expectError('a shifted output of an op that works in place', () =>
        backend.dispatch(sum, { a: input, b: other }, { output }),
      );
      using same = rows(held, 0, 2);
      backend.dispatch(sum, { a: input, b: other }, { output: same });
      await expectElements(
        'the sum in place',
        input,
        [...counting().subarray(0, 8)].map((value) => 2 * value),
      );
    }),
    onViews('rows that are not there are refused, and so are those of a linear weight', async (backend, rows) => {
      using held = backend.upload(tensor(counting(), [6, 4]));
      const wrong = [
        [-1, 2],
        [0, 7],
        [4, 3],
        [0.5, 2],
      ] as const;
      for (const [start, end] of wrong) await expectError(`rows ${start} to ${end}`, () => rows(held, start, end));
      await expectError('a shape of more elements', () => rows(held, 0, 2, [3, 4]));
      using weight = backend.upload(tensor(twiceIdentity(), [4, 4]), { purpose: 'linear-weight' });
      await expectError('rows of a linear weight', () => rows(weight, 0, 2));
      const gone = backend.upload(tensor(counting(), [6, 4]));
      gone.dispose();
      await expectError('rows of a disposed tensor', () => rows(gone, 0, 2));
    }),
  ];
}
