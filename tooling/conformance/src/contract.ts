// What the Backend contract promises beside right results: memory, order, lifetimes, errors.

import {
  type Backend,
  type DeviceTensor,
  execute,
  FlashMLAError,
  float32ToFloat16,
  type LinearProblem,
  OutOfMemoryError,
  type TypedArray,
  tensor,
} from '@flashmla/tensor';
import { compare } from './compare.ts';
import { referenceBackend } from './reference-backend.ts';

export interface ContractCheck {
  readonly name: string;
  /** Raises when the promise is broken. `open` gives a fresh backend, for what ends one. */
  readonly run: (backend: Backend, open: () => Promise<Backend>) => Promise<void>;
}

const doubling: LinearProblem = {
  op: 'linear',
  rows: 6,
  inFeatures: 4,
  outFeatures: 4,
  bias: false,
  activation: 'none',
};
const counting = () => Float32Array.from({ length: 24 }, (_, i) => i - 10);
const twiceIdentity = () => Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2 : 0));

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

async function expectDoubled(backend: Backend, output: DeviceTensor, factor = 2): Promise<void> {
  const expected = Float64Array.from(counting(), (value) => factor * value);
  compare('output', (await backend.read(output)) as Float32Array, expected);
}

/** Raises unless `action` raises, or rejects with, a FlashMLAError that says something. */
async function expectError(what: string, action: () => unknown): Promise<FlashMLAError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof FlashMLAError && /^\[.+\] .{20,}/.test(error.message)) return error;
    throw new Error(`${what} raised ${String(error)}, expected a FlashMLAError that says what to do`);
  }
  throw new Error(`${what} was accepted, expected a FlashMLAError`);
}

function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
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
    halfPrecision(),
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
          ];
          for (const [what, inputs, outputs] of cases) {
            await expectError(what, () => backend.dispatch(program, inputs, outputs));
          }
          await expectError('reading a disposed tensor', () => backend.read(gone));
          await elsewhere.dispose();
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
  ];
}

/** What a backend has to keep of float16 in memory is what it computes with: nothing, where it refuses to. */
function halfPrecision(): ContractCheck {
  const bits = float32ToFloat16(Float32Array.of(0, -0, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, 65504, 2 ** -14));
  return {
    name: 'float16 goes to the device and comes back, or is refused with advice',
    async run(backend) {
      const support = backend.supports({ ...doubling, dtype: 'float16' });
      expectEqual('supported', support.supported, backend.device.features.includes('float16'));
      if (!support.supported) {
        if (!support.reason.trim() || !support.advice.trim()) throw new Error('refused without a reason or advice');
        await expectError('prepare', () => backend.prepare({ ...doubling, dtype: 'float16' }));
        return;
      }
      using uploaded = backend.upload(tensor(bits, [bits.length], 'float16'));
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
