// What the Backend contract promises beside right results: memory, order, lifetimes, errors.

import {
  type Backend,
  type DeviceTensor,
  execute,
  FlashMLAError,
  type FloatDType,
  fromFloat32,
  type LinearProblem,
  type OpProfile,
  OutOfMemoryError,
  type Span,
  shapeClass,
  type TypedArray,
  tensor,
} from '@flashmla/tensor';
import { compare, compareBits } from './compare.ts';
import { counting, doubling, expectDoubled, expectEqual, expectError, twiceIdentity } from './doubling.ts';
import { referenceBackend } from './reference-backend.ts';
import { rowViewChecks } from './row-views.ts';

export interface ContractCheck {
  readonly name: string;
  /** Raises when the promise is broken. `open` gives a fresh backend, for what ends one. */
  readonly run: (backend: Backend, open: () => Promise<Backend>) => Promise<void>;
}

interface Doubling {
  input: DeviceTensor;
  weight: DeviceTensor;
  output: DeviceTensor;
}

/** Runs `body` with tensors of the doubling problem, and disposes them. */
async function withDoubling(backend: Backend, body: (tensors: Doubling) => Promise<void>): Promise<void> {
  const tensors = {
    input: backend.upload(tensor(counting(), [2, 3, 4])),
    weight: backend.upload(tensor(twiceIdentity(), [4, 4])),
    output: backend.allocate([6, 4], 'float32'),
  };
  try {
    await body(tensors);
  } finally {
    for (const each of Object.values(tensors)) each.dispose();
  }
}

/** Raises unless ops, and the kernels of each, begin in order and end within the profile. */
function checkSpans(ops: readonly OpProfile[], wallMs: number): void {
  let lastMs = 0;
  const follow = (what: string, { startMs, endMs }: Span) => {
    // They may overlap where neither needs the other.
    if (!(startMs >= lastMs && endMs >= startMs)) {
      throw new Error(`${what} runs from ${startMs} to ${endMs} ms, and what comes before it begins at ${lastMs} ms`);
    }
    lastMs = startMs;
  };
  for (const [i, op] of ops.entries()) {
    follow(`op ${i}`, op);
    for (const kernel of op.kernels) {
      follow(`${kernel.name} of op ${i}`, kernel);
      if (kernel.endMs > op.endMs) throw new Error(`${kernel.name} ends after op ${i}, of which it is a kernel`);
    }
  }
  if (!(wallMs > 0)) throw new Error(`wallMs is ${wallMs}`);
  const sumMs = ops.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
  if (sumMs > wallMs + 1) throw new Error(`ops of ${sumMs} ms together ran in ${wallMs} ms`);
}

export function contractChecks(): ContractCheck[] {
  return [
    {
      name: 'says what it runs on',
      async run(backend) {
        if (backend.device.description.trim().length < 5) throw new Error('device.description says nothing');
        const { usedBytes, peakBytes, limitBytes } = backend.memory();
        if (!(usedBytes >= 0 && peakBytes >= usedBytes && limitBytes >= peakBytes)) {
          throw new Error(`memory makes no sense: ${JSON.stringify(backend.memory())}`);
        }
      },
    },
    ...(['float32', 'int32', 'uint8'] as const).map((dtype) => roundTrip(dtype)),
    halfPrecision('float16'),
    halfPrecision('bfloat16'),
    {
      name: 'upload copies, read copies',
      async run(backend) {
        const host = counting();
        using uploaded = backend.upload(tensor(host, [24]));
        host.fill(0);
        ((await backend.read(uploaded)) as Float32Array).fill(1);
        compare('elements', (await uploaded.data()) as Float32Array, Float64Array.from(counting()));
      },
    },
    {
      name: 'megabytes go to the device and come back',
      async run(backend) {
        const host = Float32Array.from({ length: 3 * 2 ** 19 + 7 }, (_, i) => i);
        using uploaded = backend.upload(tensor(host, [host.length]));
        compareBits('elements', await backend.read(uploaded), host);
        if (!backend.rows) return;
        using rows = backend.upload(tensor(host.subarray(7), [3 * 2 ** 9, 2 ** 10]));
        using view = backend.rows(rows, 1, 3 * 2 ** 9 - 1);
        const [from, to] = [7 + 2 ** 10, host.length - 2 ** 10];
        compareBits('a view of them', await backend.read(view), host.subarray(from, to));
      },
    },
    {
      name: 'a tensor serves as any shape of as many elements',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          backend.dispatch(await backend.prepare(doubling), { input, weight }, { output });
          await expectDoubled(backend, output);
        }),
    },
    {
      name: 'work is done in the order it was dispatched',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          using middle = backend.allocate([6, 4], 'float32');
          const program = await backend.prepare(doubling);
          backend.dispatch(program, { input, weight }, { output: middle });
          backend.dispatch(program, { input: middle, weight }, { output });
          backend.dispatch(program, { input: output, weight }, { output: middle });
          await expectDoubled(backend, output, 4);
          await expectDoubled(backend, middle, 8);
        }),
    },
    {
      name: 'what is disposed after its dispatch is still read',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const program = await backend.prepare(doubling);
          backend.dispatch(program, { input, weight }, { output });
          input.dispose();
          weight.dispose();
          using _taken = backend.upload(tensor(new Float32Array(24).fill(7), [24]));
          await expectDoubled(backend, output);
        }),
    },
    {
      name: 'programs prepared at the same time both run',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const [first, second] = await Promise.all([backend.prepare(doubling), backend.prepare({ ...doubling })]);
          using other = backend.allocate([6, 4], 'float32');
          backend.dispatch(first, { input, weight }, { output });
          backend.dispatch(second, { input, weight }, { output: other });
          await expectDoubled(backend, output);
          await expectDoubled(backend, other);
        }),
    },
    {
      name: 'work of an aborted signal is skipped, and what follows is not',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const program = await backend.prepare(doubling);
          const signal = AbortSignal.abort(
            new FlashMLAError('invalid-argument', '[conformance] the check aborts its signal.'),
          );
          backend.dispatch(program, { input, weight }, { output }, { signal });
          await backend.synchronize();
          const error = await expectError('reading what was skipped', () => backend.read(output));
          expectEqual('what reading raised', error, signal.reason);
          backend.dispatch(program, { input, weight }, { output });
          await expectDoubled(backend, output);
        }),
    },
    {
      name: 'a profile has every op, in order, and what the work gave',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          using middle = backend.allocate([6, 4], 'float32');
          const once = await backend.prepare(doubling);
          const other = await backend.prepare({ ...doubling, activation: 'tanh' });
          // Not waited for: a profile leaves out what was dispatched before it.
          backend.dispatch(other, { input, weight }, { output });
          const { result, wallMs, timing, ops } = await backend.profile(async () => {
            backend.dispatch(once, { input, weight }, { output: middle });
            backend.dispatch(other, { input, weight }, { output });
            backend.dispatch(once, { input: middle, weight }, { output });
            return 'what the work gave';
          });
          backend.dispatch(other, { input, weight }, { output: middle });
          expectEqual('the result', result, 'what the work gave');
          await expectDoubled(backend, output, 4);
          const activations = ops.map(({ problem }) => (problem as LinearProblem).activation);
          expectEqual('the ops', activations.join(), 'none,tanh,none');
          expectEqual('the plan', ops[0]!.plan.usefulMultiplyAdds, once.plan.usefulMultiplyAdds);
          if (timing.description.trim().length < 10) throw new Error('timing.description says nothing');
          checkSpans(ops, wallMs);
        }),
    },
    {
      name: 'a profile loses none of a thousand ops',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const program = await backend.prepare(doubling);
          const { ops, wallMs } = await backend.profile(async () => {
            for (let i = 0; i < 1000; i++) backend.dispatch(program, { input, weight }, { output });
          });
          expectEqual('ops of the profile', ops.length, 1000);
          checkSpans(ops, wallMs);
        }),
    },
    {
      name: 'a profile has no op that was skipped',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const program = await backend.prepare(doubling);
          const { ops } = await backend.profile(async () => {
            backend.dispatch(program, { input, weight }, { output }, { signal: AbortSignal.abort() });
            backend.dispatch(program, { input, weight }, { output }, { signal: new AbortController().signal });
          });
          expectEqual('ops of the profile', ops.length, 1);
          await expectDoubled(backend, output);
        }),
    },
    {
      name: 'one profile is taken at a time',
      async run(backend) {
        const first = backend.profile(async () => 1);
        await expectError('a second profile meanwhile', () => backend.profile(async () => 2));
        expectEqual('what the first gave', (await first).result, 1);
        expectEqual('what one after it gave', (await backend.profile(async () => 3)).result, 3);
      },
    },
    {
      name: 'an error in profiled work is passed on, and the backend goes on',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const program = await backend.prepare(doubling);
          const failure = new FlashMLAError('invalid-argument', '[conformance] the check fails in its profiled work.');
          const error = await expectError('profiling work that fails', () =>
            backend.profile(async () => {
              backend.dispatch(program, { input, weight }, { output });
              throw failure;
            }),
          );
          expectEqual('what it rejected with', error, failure);
          await expectDoubled(backend, output);
          const { ops } = await backend.profile(async () => backend.dispatch(program, { input, weight }, { output }));
          expectEqual('ops of a profile after it', ops.length, 1);
        }),
    },
    {
      name: 'inputs and outputs that do not fit are refused',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const program = await backend.prepare(doubling);
          using short = backend.allocate([5, 4], 'float32');
          using whole = backend.allocate([6, 4], 'int32');
          const elsewhere = referenceBackend();
          const foreign = elsewhere.upload(tensor(counting(), [6, 4]));
          const gone = backend.upload(tensor(counting(), [6, 4]));
          gone.dispose();
          gone.dispose();
          const cases: [string, Record<string, DeviceTensor>, Record<string, DeviceTensor>][] = [
            ['a missing input', { weight }, { output }],
            ['a missing output', { input, weight }, {}],
            ['an input of another size', { input: short, weight }, { output }],
            ['an output of another dtype', { input, weight }, { output: whole }],
            ['a tensor of another backend', { input: foreign, weight }, { output }],
            ['a disposed tensor', { input: gone, weight }, { output }],
            ['an output that is an input', { input, weight }, { output: input }],
          ];
          for (const [what, inputs, outputs] of cases) {
            await expectError(what, () => backend.dispatch(program, inputs, outputs));
          }
          await expectError('reading a disposed tensor', () => backend.read(gone));
          await elsewhere.dispose();
        }),
    },
    {
      name: 'variants: at least one, each runs, others are refused or, when preferred, ignored',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const variants = backend.variants(doubling);
          if (variants.length === 0) throw new Error('a problem that is supported has no variant');
          for (const variant of variants) {
            backend.dispatch(await backend.prepare(doubling, { variant }), { input, weight }, { output });
            await expectDoubled(backend, output);
          }
          const error = await expectError('an unknown variant', () =>
            backend.prepare(doubling, { variant: 'unheard-of' }),
          );
          if (error.code !== 'invalid-argument') throw new Error(`an unknown variant is '${error.code}'`);
          for (const preferred of ['unheard-of', ...variants.toReversed()]) {
            backend.prefer(shapeClass(doubling), preferred);
            backend.dispatch(await backend.prepare(doubling), { input, weight }, { output });
            await expectDoubled(backend, output);
          }
        }),
    },
    {
      name: 'a problem that makes no sense is refused',
      async run(backend) {
        await expectError('prepare of −1 rows', () => backend.prepare({ ...doubling, rows: -1 }));
      },
    },
    {
      name: 'memory is counted, and given back by dispose',
      async run(backend) {
        await backend.synchronize();
        const before = backend.memory().usedBytes;
        backend.resetPeak();
        backend.supports(doubling);
        expectEqual('bytes in use after supports', backend.memory().usedBytes, before);
        const held = backend.allocate([1000, 100], 'float32');
        const during = backend.memory();
        if (during.usedBytes < before + 400_000)
          throw new Error(`400000 bytes allocated, ${during.usedBytes - before} counted`);
        held.dispose();
        expectEqual('bytes in use after dispose', backend.memory().usedBytes, before);
        if (backend.memory().peakBytes < during.usedBytes) throw new Error('the peak forgets what was in use');
        backend.resetPeak();
        expectEqual('the peak after resetPeak', backend.memory().peakBytes, before);
      },
    },
    {
      name: 'out of memory is an error that says how much was wanted, and nothing is lost',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight }) => {
          const before = backend.memory().usedBytes;
          const error = await expectError('allocating 1 TiB', () => backend.allocate([2 ** 20, 2 ** 18], 'float32'));
          if (!(error instanceof OutOfMemoryError)) throw new Error(`${error.code}, expected an OutOfMemoryError`);
          if (error.requestedBytes < 2 ** 40)
            throw new Error(`requestedBytes is ${error.requestedBytes}, expected 2^40`);
          expectEqual('bytes in use', backend.memory().usedBytes, before);
          const { output } = await execute(backend, doubling, { input, weight });
          await expectDoubled(backend, output!);
          output!.dispose();
        }),
    },
    {
      name: 'recover changes nothing where nothing was lost',
      run: (backend) =>
        withDoubling(backend, async ({ input, weight, output }) => {
          const restore = () => {
            throw new Error('restored although nothing was lost');
          };
          using kept = backend.upload(tensor(counting(), [6, 4]), { restore });
          const program = await backend.prepare(doubling);
          const before = backend.memory().usedBytes;
          backend.dispatch(program, { input: kept, weight }, { output });
          await Promise.all([backend.recover(), backend.recover()]);
          backend.dispatch(program, { input: output, weight }, { output: input });
          await expectDoubled(backend, output);
          await expectDoubled(backend, input, 4);
          expectEqual('bytes in use', backend.memory().usedBytes, before);
        }),
    },
    {
      name: 'a backend that was disposed refuses work',
      async run(_, open) {
        const backend = await open();
        const program = await backend.prepare(doubling);
        const input = backend.upload(tensor(counting(), [6, 4]));
        const weight = backend.upload(tensor(twiceIdentity(), [4, 4]));
        const output = backend.allocate([6, 4], 'float32');
        await backend.dispose();
        await backend.dispose();
        await expectError('allocate', () => backend.allocate([1], 'float32'));
        await expectError('prepare', () => backend.prepare(doubling));
        await expectError('read', () => backend.read(input));
        await expectError('dispatch', () => backend.dispatch(program, { input, weight }, { output }));
        input.dispose();
      },
    },
    ...rowViewChecks(),
  ];
}

/** What a backend has to keep of half precision in memory is what it computes with: nothing, where it refuses to. */
function halfPrecision(dtype: FloatDType): ContractCheck {
  const bits = fromFloat32(Float32Array.of(0, -0, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, 65504, 2 ** -14), dtype);
  return {
    name: `${dtype} goes to the device and comes back, or is refused with advice`,
    async run(backend) {
      const support = backend.supports({ ...doubling, dtype });
      expectEqual('supported', support.supported, backend.device.features.includes(dtype));
      if (!support.supported) {
        if (!support.reason.trim() || !support.advice.trim()) throw new Error('refused without a reason or advice');
        await expectError('prepare', () => backend.prepare({ ...doubling, dtype }));
        return;
      }
      using uploaded = backend.upload(tensor(bits, [bits.length], dtype));
      expectEqual('elements', tell(await backend.read(uploaded)), tell(bits));
    },
  };
}

const tell = (array: TypedArray) => `${array.constructor.name} ${array.join()}`;

function roundTrip(dtype: 'float32' | 'int32' | 'uint8'): ContractCheck {
  const values = {
    float32: Float32Array.of(0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, -1e-40, 3e38),
    int32: Int32Array.of(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)),
    uint8: Uint8Array.of(0, 1, 255),
  }[dtype];
  return {
    name: `${dtype} goes to the device and comes back`,
    async run(backend) {
      for (const host of [tensor(values, [values.length]), tensor(values.slice(0, 0), [0, 3])]) {
        using uploaded = backend.upload(host);
        expectEqual('elements', tell(await backend.read(uploaded)), tell(host.array));
      }
    },
  };
}
