// Which backend is taken where several work: by what each takes for a layer of an encoder, kept for later processes.

import { type Backend, type BackendName, FlashMLAError, type OpenOptions, type Program } from '@flashmla/tensor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { explain } from '../src/index.ts';
import { Measurements } from '../src/measured.ts';
import type { MeasurementStorage } from '../src/measurement-storage.ts';
import { selectFrom } from '../src/select.ts';
import { entry, type FakeBackend, fakeBackend, missing, type Speed, useFakeClock } from './fakes.ts';

beforeEach(() => void useFakeClock());
afterEach(() => vi.restoreAllMocks());

/** A device: its backends, what was opened of them, and what later processes find in its storage. */
function device(speeds: { readonly [Name in BackendName]?: Speed }) {
  const opened: FakeBackend[] = [];
  const open = (name: BackendName, speed: Speed) =>
    vi.fn(async (_options?: OpenOptions): Promise<Backend> => {
      const backend = fakeBackend(name, `a ${name} device`, speed);
      opened.push(backend);
      return backend;
    });
  const opens = Object.entries(speeds).map(([name, speed]) => [name, open(name as BackendName, speed)] as const);
  let text: string | undefined;
  const storage: MeasurementStorage = {
    read: async () => text,
    write: async (written) => {
      text = written;
    },
  };
  return {
    opened,
    /** Those that are still open. */
    open: () => opened.filter(({ disposals }) => disposals === 0).map(({ name }) => name),
    entries: opens.map(([name, open]) => entry(name as BackendName, { open })),
    opens: Object.fromEntries(opens) as Record<BackendName, ReturnType<typeof open>>,
    newProcess: () => new Measurements(() => storage),
    storage,
  };
}

describe('where several backends work', () => {
  it('the fastest is taken, whatever their order, and the others are closed again', async () => {
    for (const speeds of [
      { cpu: { opMs: 2 }, cuda: { opMs: 1 }, webgpu: { opMs: 3 } },
      { webgpu: { opMs: 3 }, cuda: { opMs: 1 }, cpu: { opMs: 2 } },
    ]) {
      const { entries, open, opened, newProcess } = device(speeds);
      expect((await selectFrom(entries, {}, newProcess())).name).toBe('cuda');
      expect(opened).toHaveLength(3);
      expect(open()).toEqual(['cuda']);
    }
  });

  it('never more than two are open at once', async () => {
    const all = device({ cpu: { opMs: 4 }, native: { opMs: 3 }, cuda: { opMs: 2 }, webgpu: { opMs: 1 } });
    let most = 0;
    for (const { name } of all.entries) {
      const real = all.opens[name].getMockImplementation()!;
      all.opens[name].mockImplementation(async (options) => {
        const backend = await real(options);
        most = Math.max(most, all.open().length);
        return backend;
      });
    }
    await selectFrom(all.entries, {}, all.newProcess());
    expect(most).toBe(2);
  });

  it('a later process opens the fastest and nothing else', async () => {
    const { entries, opens, newProcess } = device({ cpu: { opMs: 2 }, webgpu: { opMs: 1 } });
    await selectFrom(entries, {}, newProcess());
    const [first, second] = [opens.cpu.mock.calls.length, opens.webgpu.mock.calls.length];
    const backend = await selectFrom(entries, {}, newProcess());
    expect(backend.name).toBe('webgpu');
    expect([opens.cpu.mock.calls.length, opens.webgpu.mock.calls.length]).toEqual([first, second + 1]);
    expect(explain(backend)).toContain('a layer of 512 tokens takes 7.0 ms, on cpu 14 ms (2.0 times as long)');
  });

  it('is measured for short, middling and long inputs apart', async () => {
    const { entries, opens, newProcess } = device({ cpu: {}, webgpu: {} });
    const kept = newProcess();
    const timesOf = async (tokens?: number) => {
      const backend = await selectFrom(entries, tokens === undefined ? {} : { tokens }, kept);
      return `${/a layer of \d+ tokens/.exec(explain(backend))![0]}, ${opens.webgpu.mock.calls.length} opened`;
    };
    expect(await timesOf()).toBe('a layer of 512 tokens, 1 opened');
    expect(await timesOf(1024)).toBe('a layer of 512 tokens, 1 opened');
    expect(await timesOf(257)).toBe('a layer of 512 tokens, 1 opened');
    expect(await timesOf(256)).toBe('a layer of 128 tokens, 2 opened');
    expect(await timesOf(1025)).toBe('a layer of 2048 tokens, 3 opened');
    expect(await timesOf(9999)).toBe('a layer of 2048 tokens, 3 opened');
  });

  it('is measured again when another backend or other threads are there', async () => {
    const { entries, opens, newProcess } = device({ cpu: {}, webgpu: {}, cuda: { opMs: 0.5 } });
    const [cpu, webgpu] = entries;
    expect((await selectFrom([cpu!, webgpu!], {}, newProcess())).name).toBe('cpu');
    expect((await selectFrom(entries, {}, newProcess())).name).toBe('cuda');
    const { length } = opens.cpu.mock.calls;
    await selectFrom(entries, { threads: 3 }, newProcess());
    expect(opens.cpu).toHaveBeenCalledTimes(length + 1);
  });

  it('one that fails is passed over with its reason, also in later processes', async () => {
    const lost = () => Promise.reject(new Error('device lost'));
    const { entries, open, opens, newProcess } = device({ webgpu: { opMs: 1, prepare: lost }, cpu: { opMs: 9 } });
    for (const _process of [1, 2]) {
      const backend = await selectFrom(entries, {}, newProcess());
      expect(explain(backend)).toBe(
        'cpu, the fastest here: a cpu device; a layer of 512 tokens takes 63 ms; ' +
          'passed over: webgpu (failed when it was measured: device lost)',
      );
    }
    expect(opens.webgpu).toHaveBeenCalledTimes(1);
    expect(open()).toEqual(['cpu', 'cpu']);
  });

  it('when all fail their reasons are raised, and the next one to ask tries again', async () => {
    let isBroken = true;
    const prepare = async () => {
      if (isBroken) throw new Error('out of memory');
      return {} as Program;
    };
    const { entries, open, newProcess } = device({ webgpu: { prepare }, cpu: { prepare } });
    const kept = newProcess();
    await expect(selectFrom(entries, {}, kept)).rejects.toMatchObject({
      code: 'backend-unavailable',
      message: expect.stringContaining('webgpu: failed when it was measured: out of memory; cpu: failed when'),
      cause: expect.objectContaining({ errors: [new Error('out of memory'), new Error('out of memory')] }),
    });
    expect(open()).toEqual([]);
    isBroken = false;
    expect((await selectFrom(entries, {}, kept)).name).toBe('webgpu');
  });

  it('one that no longer opens makes room for the next best', async () => {
    const { entries, opens, newProcess } = device({ cpu: { opMs: 3 }, webgl: { opMs: 2 }, webgpu: { opMs: 1 } });
    await selectFrom(entries, {}, newProcess());
    opens.webgpu.mockRejectedValueOnce(new Error('no adapter'));
    const backend = await selectFrom(entries, {}, newProcess());
    expect(explain(backend)).toBe(
      'webgl, the fastest here: a webgl device; a layer of 512 tokens takes 14 ms, on cpu 21 ms (1.5 times as long); ' +
        'passed over: webgpu (could not be opened: no adapter)',
    );
  });

  it('one that is many times slower is given up, and opened only as a last resort', async () => {
    const { entries, opens, newProcess } = device({ cpu: { opMs: 2 }, webgpu: { opMs: 20 } });
    expect(explain(await selectFrom(entries, {}, newProcess()))).toContain('14 ms, on webgpu more than 56 ms');
    opens.cpu.mockRejectedValueOnce(new Error('no memory'));
    expect(explain(await selectFrom(entries, {}, newProcess()))).toContain('webgpu, the fastest here');
  });

  it.each([
    ['another kind of value', 7],
    ['names that are no backend here', [{ name: 'cuda', layerMs: 1 }]],
    ['times that are none', [{ name: 'cpu', layerMs: '1' }]],
    ['nothing but failures', [{ name: 'cpu', failure: 'device lost' }]],
    ['an empty list', []],
  ])('kept figures with %s are measured anew', async (_what, value) => {
    const { entries, opens, newProcess, storage } = device({ cpu: {}, webgpu: {} });
    await selectFrom(entries, {}, newProcess());
    const stored = JSON.parse((await storage.read())!);
    for (const entries of Object.values(stored.devices)) {
      for (const kept of Object.values(entries as object)) kept.value = value;
    }
    await storage.write(JSON.stringify(stored));
    expect((await selectFrom(entries, {}, newProcess())).name).toBe('cpu');
    expect(opens.webgpu).toHaveBeenCalledTimes(2);
  });

  it('an argument that one refuses is raised, and nothing stays open', async () => {
    const { entries, open, opens, newProcess } = device({ cpu: {}, webgpu: {} });
    const refusal = new FlashMLAError('invalid-argument', 'threads is 0');
    opens.webgpu.mockRejectedValueOnce(refusal);
    await expect(selectFrom(entries, {}, newProcess())).rejects.toBe(refusal);
    expect(open()).toEqual([]);
  });
});

describe('an abort while it is measured', () => {
  it('rejects with the reason and leaves nothing open, whatever hangs', async () => {
    const controller = new AbortController();
    const hanging = () => {
      controller.abort(new Error('enough'));
      return new Promise<Program>(() => {});
    };
    const { entries, open, opened, newProcess } = device({ cpu: {}, webgpu: { prepare: hanging }, cuda: {} });
    await expect(selectFrom(entries, { signal: controller.signal }, newProcess())).rejects.toThrow('enough');
    expect(opened.map(({ name }) => name)).toEqual(['cpu', 'webgpu']);
    expect(open()).toEqual([]);
  });

  it('keeps nothing; a search that waited for it measures by itself', async () => {
    const controller = new AbortController();
    let prepared = 0;
    const prepare = async () => {
      prepared += 1;
      if (prepared === 1) controller.abort(new Error('enough'));
      return {} as Program;
    };
    const { entries, open, newProcess } = device({ cpu: { prepare }, webgpu: { opMs: 0.5 } });
    const kept = newProcess();
    const [first, second] = await Promise.allSettled([
      selectFrom(entries, { signal: controller.signal }, kept),
      selectFrom(entries, {}, kept),
    ]);
    expect(first.status).toBe('rejected');
    expect(second).toMatchObject({ status: 'fulfilled', value: { name: 'webgpu' } });
    expect(open()).toEqual(['webgpu']);
  });

  it('searches at the same time share one measurement', async () => {
    const { entries, opens, open, newProcess } = device({ cpu: {}, webgpu: { opMs: 0.5 } });
    const kept = newProcess();
    const both = await Promise.all([selectFrom(entries, {}, kept), selectFrom(entries, {}, kept)]);
    expect(both.map(({ name }) => name)).toEqual(['webgpu', 'webgpu']);
    expect(opens.cpu).toHaveBeenCalledTimes(1);
    expect(open()).toEqual(['webgpu', 'webgpu']);
  });
});

describe('explain', () => {
  it('says what was measured, and what is not there or does not work', async () => {
    const { entries, newProcess } = device({ cpu: { opMs: 2 }, webgpu: { opMs: 0.5 } });
    const lacking = entry('webgl', { probe: async () => ({ available: false, reason: 'no canvas' }) });
    const all = [...entries, lacking, missing('native'), missing('cuda')];
    expect(explain(await selectFrom(all, {}, newProcess()))).toBe(
      'webgpu, the fastest here: a webgpu device; a layer of 512 tokens takes 3.5 ms, on cpu 14 ms (4.0 times as long); ' +
        'passed over: webgl (no canvas); native, cuda (not installed)',
    );
  });

  it('says what was asked for, and that nothing was measured', async () => {
    const { entries, newProcess } = device({ cpu: {}, webgpu: {} });
    expect(explain(await selectFrom(entries, { require: 'cpu' }, newProcess()))).toBe(
      'cpu, as required, without measuring: a cpu device',
    );
    expect(explain(await selectFrom([...entries, missing('cuda')], { prefer: ['cuda', 'cpu'] }, newProcess()))).toBe(
      'cpu, as preferred, without measuring: a cpu device; passed over: cuda (not installed)',
    );
  });

  it('says that there was no choice', async () => {
    const backend = await selectFrom([entry('cpu'), missing('webgpu')], {}, device({}).newProcess());
    expect(explain(backend)).toBe(
      'cpu, the only one that works here: a cpu device; passed over: webgpu (not installed)',
    );
  });

  it('says of a backend that was opened by hand that it was', () => {
    expect(explain(fakeBackend('webgl'))).toBe('webgl, opened by its user and not by selectBackend: a webgl device');
  });
});
