// The backend over a driver in memory: launches against their plan, order, graphs, memory, a context that breaks.

import { FlashMLAError, OutOfMemoryError, tensor } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { type KernelStep, planOf } from '../src/index.ts';
import { stagingBlockBytes } from '../src/staging.ts';
import { FakeDriver } from './fake-driver.ts';
import { chain, copyInput, fakeProvider, numbers, openFake, square, uploaded } from './support.ts';

describe('a launch', () => {
  it('has the grid, block, shared memory and arguments of its plan', async () => {
    const { fake, backend } = await openFake();
    const step = planOf(square, backend.gpu).steps[0] as KernelStep;
    using input = uploaded(backend);
    using weight = uploaded(backend);
    using output = backend.allocate([4, 4], 'float32');
    backend.dispatch(await backend.prepare(square), { input, weight }, { output });
    await backend.synchronize();
    const [launch, ...more] = fake.launches;
    expect(more).toEqual([]);
    expect(launch).toMatchObject({
      kernel: step.kernel,
      grid: step.grid,
      block: step.block,
      sharedBytes: step.sharedBytes,
    });
    const addresses: Record<string, number> = {
      input: input.block.address,
      weight: weight.block.address,
      output: output.block.address,
    };
    const pointers = step.bindings.map((name) => BigInt(addresses[name] ?? 0));
    expect(launch!.arguments.slice(0, pointers.length)).toEqual(pointers);
    const words = launch!.arguments.slice(pointers.length).map((word) => Number(word));
    expect(words).toEqual(step.words);
    await backend.dispose();
  });

  it('is allowed the shared memory it needs, once', async () => {
    const { fake, backend } = await openFake({ sharedBytesUnasked: 0, execute: () => 0 });
    const half = { ...square, dtype: 'float16' } as const;
    expect((planOf(half, backend.gpu).steps[0] as KernelStep).sharedBytes).toBeGreaterThan(0);
    using operand = backend.allocate([4, 4], 'float16');
    for (const rows of [4, 3]) {
      const program = await backend.prepare({ ...half, rows });
      using input = backend.allocate([rows, 4], 'float16');
      using result = backend.allocate([rows, 4], 'float16');
      backend.dispatch(program, { input, weight: operand }, { output: result });
    }
    await backend.synchronize();
    expect(fake.count('cuFuncSetAttribute')).toBe(1);
    expect(fake.launches).toHaveLength(2);
    await backend.dispose();
  });

  it('sees what was uploaded and computed before it, whatever was disposed meanwhile', async () => {
    const { fake, backend } = await openFake();
    expect(await chain(backend, 5)).toEqual(numbers(7));
    expect(backend.memory().usedBytes).toBe(0);
    await backend.dispose();
    expect(fake.held).toEqual([]);
  });

  it('is not made before somebody waits, nor held back when many have come', async () => {
    const { fake, backend } = await openFake({}, { graphs: false });
    const program = await backend.prepare(square);
    using input = uploaded(backend);
    using output = backend.allocate([4, 4], 'float32');
    const { length } = planOf(square, backend.gpu).steps;
    for (let i = 0; i < 1000 / length; i++) backend.dispatch(program, { input, weight: input }, { output });
    expect(fake.count('cuLaunchKernel')).toBe(0);
    for (let i = 0; i < 1000 / length; i++) backend.dispatch(program, { input, weight: input }, { output });
    expect(fake.count('cuLaunchKernel')).toBe(1024);
    await backend.synchronize();
    expect(fake.count('cuLaunchKernel')).toBe(2 * Math.ceil(1000 / length) * length);
    await backend.dispose();
  });
});

describe('graphs', () => {
  it('a sequence that comes again is one launch', async () => {
    const { fake, backend } = await openFake();
    const calls = () => ({ kernels: fake.count('cuLaunchKernel'), graphs: fake.count('cuGraphLaunch') });
    // The first two find their memory in different states.
    for (let run = 0; run < 4; run++) expect(await chain(backend, 20)).toEqual(numbers(7));
    const before = calls();
    const { launches } = backend;
    for (let run = 0; run < 3; run++) expect(await chain(backend, 20)).toEqual(numbers(7));
    expect(calls()).toEqual({ kernels: before.kernels, graphs: before.graphs + 3 });
    expect(backend.launches).toEqual({ kernels: launches.kernels, graphs: launches.graphs + 3 });
    expect(fake.count('cuGraphInstantiate')).toBe(1);
    await backend.dispose();
    expect(fake.held).toEqual([]);
  });

  it('another length, other tensors or an aborted op are another sequence', async () => {
    const { backend } = await openFake();
    for (let run = 0; run < 4; run++) await chain(backend, 20);
    const { launches } = backend;
    using _held = backend.allocate([4, 4], 'float32');
    expect(await chain(backend, 20)).toEqual(numbers(7));
    expect(await chain(backend, 21)).toEqual(numbers(7));
    expect(backend.launches).toEqual({ graphs: launches.graphs, kernels: launches.kernels + 41 });
    await backend.dispose();
  });

  it('are bounded: the ones used longest ago make way', async () => {
    const { fake, backend } = await openFake();
    for (let run = 0; run < 3; run++) for (let length = 4; length < 34; length++) await chain(backend, length);
    const made = fake.count('cuGraphInstantiate');
    expect(made).toBeGreaterThan(30);
    expect(made - fake.count('cuGraphExecDestroy')).toBeLessThanOrEqual(16);
    expect(fake.count('cuGraphDestroy')).toBe(made);
    await backend.dispose();
    expect(fake.held).toEqual([]);
  });

  it('are left out when asked for', async () => {
    const { fake, backend } = await openFake({}, { graphs: false });
    for (let run = 0; run < 4; run++) await chain(backend, 20);
    expect(fake.count('cuStreamBeginCapture')).toBe(0);
    expect(backend.device.features).not.toContain('graphs');
    await backend.dispose();
  });

  it('a device without memory for one goes on without', async () => {
    const { fake, backend } = await openFake();
    for (let run = 0; run < 6; run++) {
      fake.fail('cuGraphInstantiate', 2);
      expect(await chain(backend, 20)).toEqual(numbers(7));
    }
    expect(backend.launches.graphs).toBe(0);
    await backend.dispose();
    expect(fake.held).toEqual([]);
  });
});

describe('uploads and reads', () => {
  it('of more than the staging memory arrive whole', async () => {
    const { fake, backend } = await openFake();
    const large = Uint32Array.from({ length: (11.5 * stagingBlockBytes) / 4 }, (_, at) => at);
    using held = backend.upload(tensor(large, [large.length]));
    const read = (await backend.read(held)) as Uint32Array;
    expect(read.length).toBe(large.length);
    expect(read.findIndex((value, at) => value !== at)).toBe(-1);
    // What was only needed for so large a result is given back.
    expect(fake.held.filter((what) => what.endsWith('pinned')).length).toBeLessThanOrEqual(8);
    await backend.dispose();
    expect(fake.held).toEqual([]);
  });

  it('many small ones share pinned memory, and the event loop goes on while one waits', async () => {
    const { fake, backend } = await openFake();
    const held = Array.from({ length: 500 }, (_, at) => uploaded(backend, at));
    expect(fake.count('cuMemHostAlloc')).toBe(1);
    let turns = 0;
    let counting = setImmediate(function count() {
      turns++;
      counting = setImmediate(count);
    });
    const results = await Promise.all(held.map((each) => each.data()));
    clearImmediate(counting);
    expect(results.map((result) => result[0])).toEqual(held.map((_, at) => at));
    expect(turns).toBeGreaterThan(0);
    await backend.dispose();
  });

  it('a read sees the elements as they were when it was called', async () => {
    const { backend } = await openFake();
    const program = await backend.prepare(square);
    using first = uploaded(backend, 1);
    using second = uploaded(backend, 2);
    using output = backend.allocate([4, 4], 'float32');
    backend.dispatch(program, { input: first, weight: first }, { output });
    const reading = output.data();
    backend.dispatch(program, { input: second, weight: first }, { output });
    expect(await reading).toEqual(numbers(1));
    expect(await output.data()).toEqual(numbers(2));
    await backend.dispose();
  });
});

describe('signals', () => {
  it('skip what has not begun, and only that', async () => {
    const { fake, backend } = await openFake();
    const program = await backend.prepare(square);
    using input = uploaded(backend, 3);
    using skipped = backend.allocate([4, 4], 'float32');
    using output = backend.allocate([4, 4], 'float32');
    const controller = new AbortController();
    backend.dispatch(program, { input, weight: input }, { output: skipped }, { signal: controller.signal });
    backend.dispatch(program, { input, weight: input }, { output });
    controller.abort(new Error('not wanted any more'));
    await expect(skipped.data()).rejects.toThrow('not wanted any more');
    expect(await output.data()).toEqual(numbers(3));
    expect(fake.launches.length).toBe(planOf(square, backend.gpu).steps.length);
    await backend.dispose();
  });
});

describe('a profile', () => {
  it('has every kernel by itself, by events of the device, and gives them back', async () => {
    const { fake, backend } = await openFake();
    // What would be a graph is none while it is profiled.
    for (let run = 0; run < 4; run++) await chain(backend, 6);
    const { launches } = backend;
    const { steps } = planOf(square, backend.gpu);
    const { timing, ops, result } = await backend.profile(() => chain(backend, 6));
    expect(result).toEqual(numbers(7));
    expect(timing.source).toBe('timestamps');
    expect(ops.map(({ problem, kernels }) => [problem, kernels.map(({ name }) => name)])).toEqual(
      Array.from({ length: 6 }, () => [square, steps.map(({ kernel }) => kernel)]),
    );
    expect(backend.launches).toEqual({ graphs: launches.graphs, kernels: launches.kernels + 6 * steps.length });
    // A profile that comes to nothing keeps its events no longer than until the next one.
    const events = fake.held.filter((what) => what === 'event').length;
    for (let round = 0; round < 3; round++) {
      await expect(backend.profile(() => Promise.reject(new Error('no more')))).rejects.toThrow('no more');
    }
    expect(fake.held.filter((what) => what === 'event').length).toBeLessThanOrEqual(events + 1);
    expect(await chain(backend, 6)).toEqual(numbers(7));
    expect(backend.launches.graphs).toBe(launches.graphs + 1);
    await backend.dispose();
    expect(fake.held).toEqual([]);
  });
});

describe('out of memory', () => {
  it('of the device is told with sizes, and the backend goes on', async () => {
    const { fake, backend } = await openFake({ devices: [{ memoryBytes: 64 * 2 ** 20 }] });
    using held = backend.allocate([50 * 2 ** 20], 'uint8');
    expect(held.byteLength).toBe(50 * 2 ** 20);
    // Another process has the rest.
    fake.fail('cuMemAlloc', 2);
    const error = (() => {
      try {
        backend.allocate([10 * 2 ** 20], 'uint8');
        return undefined;
      } catch (raised) {
        return raised as OutOfMemoryError;
      }
    })();
    // One failure is answered by asking for less; so here it worked.
    expect(error).toBeUndefined();
    for (const bytes of [20 * 2 ** 20, 2 ** 40]) {
      expect(() => backend.allocate([bytes], 'uint8')).toThrow(OutOfMemoryError);
    }
    expect(backend.memory().limitBytes).toBe(64 * 2 ** 20);
    held.dispose();
    expect(await chain(backend, 3)).toEqual(numbers(7));
    await backend.dispose();
    expect(fake.held).toEqual([]);
  });
});

describe('a failing call', () => {
  it('that breaks the context is told to who waits and to who comes after', async () => {
    let broken = false;
    const { backend } = await openFake({ execute: (launch, fake) => (broken ? 700 : copyInput(launch, fake)) });
    const program = await backend.prepare(square);
    const input = uploaded(backend);
    const output = backend.allocate([4, 4], 'float32');
    broken = true;
    backend.dispatch(program, { input, weight: input }, { output });
    const waiting = [output.data(), backend.synchronize(), input.data()];
    for (const outcome of await Promise.allSettled(waiting)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { result: 700, code: 'device-lost' } });
    }
    for (const action of [
      () => backend.allocate([1], 'float32'),
      () => uploaded(backend),
      () => backend.dispatch(program, { input, weight: input }, { output }),
      () => backend.prepare(square),
      () => backend.synchronize(),
      () => input.data(),
    ]) {
      const error = await (async () => action())().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(FlashMLAError);
      expect((error as Error).message).toContain('CUDA_ERROR_ILLEGAL_ADDRESS');
    }
    await expect(backend.recover()).rejects.toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringContaining('restart the process'),
    });
    input.dispose();
    await backend.dispose();
    expect(() => backend.allocate([1], 'float32')).toThrow('disposed');
    await expect(backend.recover()).rejects.toMatchObject({ code: 'disposed' });
  });
});

describe('dispose', () => {
  it('lets the device finish, rejects what waits, and releases everything once', async () => {
    const { fake, backend } = await openFake();
    await backend.recover();
    const input = uploaded(backend);
    const output = backend.allocate([4, 4], 'float32');
    const program = await backend.prepare(square);
    backend.dispatch(program, { input, weight: input }, { output });
    const reading = output.data();
    const [, outcome] = await Promise.all([
      backend.dispose(),
      reading.catch((reason: unknown) => reason),
      backend.dispose(),
    ]);
    expect(outcome).toMatchObject({ code: 'disposed' });
    expect(fake.launches.length).toBeGreaterThan(0);
    expect(fake.held).toEqual([]);
    expect(fake.log.filter(({ result }) => result !== 0 && result !== 600)).toEqual([]);
    input.dispose();
    await expect(backend.read(output)).rejects.toMatchObject({ code: 'disposed' });
    await expect(backend.prepare(square)).rejects.toMatchObject({ code: 'disposed' });
  });

  it('leaves what was never submitted undone', async () => {
    const { fake, backend } = await openFake();
    const input = uploaded(backend);
    const program = await backend.prepare(square);
    backend.dispatch(program, { input, weight: input }, { output: backend.allocate([4, 4], 'float32') });
    await backend.dispose();
    expect(fake.launches).toEqual([]);
    expect(fake.held).toEqual([]);
  });

  it('opens again', async () => {
    const fake = new FakeDriver({ execute: copyInput });
    for (let round = 0; round < 3; round++) {
      await using backend = await fakeProvider(fake).open();
      expect(await chain(backend, 3)).toEqual(numbers(7));
    }
    expect(fake.held).toEqual([]);
  });
});
