import { type Backend, FlashMLAError } from '@flashmla/tensor';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { BackendEntry } from '../src/backends.ts';
import { explain, selectBackend } from '../src/index.ts';
import { Measurements } from '../src/measured.ts';
import { type SelectOptions, selectFrom } from '../src/select.ts';
import { entry, fakeBackend, missing, useFakeClock } from './fakes.ts';

/** As in a new process, on a device on which nothing was measured yet. */
const select = (entries: readonly BackendEntry[], options?: SelectOptions) =>
  selectFrom(entries, options, new Measurements(() => undefined));

async function failureOf(work: Promise<unknown>): Promise<FlashMLAError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FlashMLAError);
  return error as FlashMLAError;
}

describe('selectBackend', () => {
  it('takes the only one that is available', async () => {
    const unavailable = entry('webgpu', { probe: async () => ({ available: false, reason: 'no adapter' }) });
    const backend = await select([missing('cuda'), unavailable, entry('webgl')]);
    expect(backend.name).toBe('webgl');
  });

  it('tries the preferred ones in their order, then the others', async () => {
    const entries = [entry('cuda'), entry('webgpu'), entry('cpu')];
    expect((await select(entries, { prefer: ['cpu', 'webgpu'] })).name).toBe('cpu');
    expect((await select([entry('webgpu'), missing('cpu')], { prefer: ['cpu'] })).name).toBe('webgpu');
    const broken = entry('cuda', { open: () => Promise.reject(new Error('driver too old')) });
    expect((await select([broken, entry('webgpu'), entry('cpu')], { prefer: ['cuda', 'cpu'] })).name).toBe('cpu');
  });

  it.each([{ prefer: ['cuda'] }, { require: 'cuda' }] as const)('looks at nothing else with %j', async (options) => {
    const [probe, open] = [vi.fn(), vi.fn()];
    await select([entry('cpu', { probe, open }), entry('cuda')], options);
    expect(probe).not.toHaveBeenCalled();
    expect(open).not.toHaveBeenCalled();
  });

  it('passes over what does not compute in the dtype, unless it is required', async () => {
    const halves = entry('webgpu', {
      probe: async () => ({ available: true, reason: 'a GPU', features: ['float16'] }),
    });
    const backend = await select([entry('cpu'), halves], { dtype: 'float16', prefer: ['cpu'] });
    expect(backend.name).toBe('webgpu');
    expect(explain(backend)).toContain('passed over: cpu (does not compute in float16)');
    expect((await select([entry('cpu'), halves], { dtype: 'float16', require: 'cpu' })).name).toBe('cpu');
    const error = await failureOf(select([entry('cpu')], { dtype: 'float16' }));
    expect(error.message).toContain('cpu: does not compute in float16');
    const unknown = await failureOf(select([entry('cpu')], { dtype: 'float8' as never }));
    expect(unknown.code).toBe('unsupported');
  });

  it('passes over what refuses a problem, unless it is required', async () => {
    const problems = [{ op: 'add', elements: 1 }] as const;
    const refusing = {
      ...fakeBackend('webgpu'),
      supports: () => ({ supported: false, reason: 'no add', advice: 'add' }),
    };
    const adding = { ...fakeBackend('cpu', undefined, { opMs: 2 }), supports: () => ({ supported: true }) };
    const entries = (backend: object, other: object) => [
      entry('webgpu', { open: async () => backend as Backend }),
      entry('cpu', { open: async () => other as Backend }),
    ];
    const [first, second] = entries(refusing, adding) as [BackendEntry, BackendEntry];
    const preferred = await select([first, second], { prefer: ['webgpu'], problems });
    expect(explain(preferred)).toContain('webgpu (no add; add)');
    useFakeClock();
    onTestFinished(() => void vi.restoreAllMocks());
    expect((await select([first, second])).name).toBe('webgpu');
    expect((await select([first, second], { problems })).name).toBe('cpu');
    expect((await select([first, second], { require: 'webgpu', problems })).name).toBe('webgpu');
    expect((await failureOf(select([first], { problems }))).message).toContain('webgpu: no add; add');
  });

  it('goes on to the next when opening fails', async () => {
    const broken = entry('cuda', { open: () => Promise.reject(new Error('driver too old')) });
    expect((await select([broken, entry('cpu')])).name).toBe('cpu');
  });

  it('hands threads and signal to the provider, and nothing that was not given', async () => {
    const open = vi.fn(async () => fakeBackend('cpu'));
    const { signal } = new AbortController();
    await select([entry('cpu', { open })], { threads: 3, signal });
    await select([entry('cpu', { open })]);
    expect(open.mock.calls).toEqual([[{ threads: 3, signal }], [{}]]);
  });

  it('raises every reason when none can be opened, with the failures as the cause', async () => {
    const error = await failureOf(
      select([
        missing('cuda'),
        entry('webgpu', { probe: () => Promise.reject(new Error('adapter lost\nat line 1')) }),
        entry('native', { load: { installed: true, reason: 'installed, but importing it failed: bad ELF' } }),
        entry('webgl', { probe: async () => ({ available: false, reason: 'no canvas' }) }),
        entry('cpu', { open: () => Promise.reject(new Error('no WebAssembly')) }),
      ]),
    );
    expect(error.code).toBe('backend-unavailable');
    expect(error.message).toBe(
      '[backend] no backend can be opened here. Install or mend one of them. ' +
        'cuda: not installed: npm i @flashmla/kernels-cuda; webgpu: its probe failed: adapter lost; ' +
        'native: installed, but importing it failed: bad ELF; webgl: no canvas; cpu: could not be opened: no WebAssembly.',
    );
    expect((error.cause as AggregateError).errors).toEqual([new Error('no WebAssembly')]);
  });

  it('raises one error with every reason when a required one is missing', async () => {
    const open = vi.fn(async () => fakeBackend('cpu'));
    const error = await failureOf(select([missing('cuda'), entry('cpu', { open })], { require: 'cuda' }));
    expect(error.code).toBe('backend-unavailable');
    expect(error.message).toContain("'cuda' was required");
    expect(error.message).toContain('cuda: not installed: npm i @flashmla/kernels-cuda');
    expect(error.message).toContain('cpu: available, works on a cpu device');
    expect(open).not.toHaveBeenCalled();
  });

  it.each([{ require: 'gpu' }, { prefer: ['cpu', 'gpu'] }])('refuses an unknown name: %j', async (options) => {
    const error = await failureOf(select([entry('cuda'), entry('cpu')], options as never));
    expect(error.code).toBe('invalid-argument');
    expect(error.message).toBe(
      `[backend] ${Object.keys(options)[0]} names 'gpu', which is no backend; use 'cuda', 'cpu'.`,
    );
  });

  it('takes an argument that the backend refuses for wrong, and tries no other', async () => {
    const refusal = new FlashMLAError('invalid-argument', 'threads is 0');
    const open = vi.fn(async () => fakeBackend('cpu'));
    const entries = [entry('cuda', { open: () => Promise.reject(refusal) }), entry('cpu', { open })];
    await expect(select(entries, { threads: 0 })).rejects.toBe(refusal);
    expect(open).not.toHaveBeenCalled();
  });

  it.each([0, 1.5, '512'])('refuses a length that is none: %j', async (tokens) => {
    const error = await failureOf(select([entry('cpu')], { tokens: tokens as never }));
    expect(error.code).toBe('invalid-argument');
    expect(error.message).toMatch(/^\[backend\] tokens is .*; expected a whole number from 1 on/);
  });

  it('refuses a preference that is no list', async () => {
    const error = await failureOf(select([entry('cpu')], { prefer: 'cpu' as never }));
    expect(error.code).toBe('invalid-argument');
    expect(error.message).toBe("[backend] prefer is the string 'cpu'; expected a list of names, such as ['cpu'].");
  });

  it('stops when the signal aborts, and keeps nothing open', async () => {
    await expect(select([entry('cpu')], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');

    const controller = new AbortController();
    const late = fakeBackend('cpu');
    const open = async (): Promise<Backend> => {
      controller.abort(new Error('too late'));
      return late;
    };
    const second = vi.fn(async () => fakeBackend('cpu'));
    const entries = [entry('cuda', { open }), entry('cpu', { open: second })];
    await expect(select(entries, { signal: controller.signal })).rejects.toThrow('too late');
    expect(late.disposals).toBe(1);
    expect(second).not.toHaveBeenCalled();
  });

  it('says of a real package that is not installed how to get it', async () => {
    const error = await failureOf(selectBackend({ require: 'cuda' }));
    expect(error.message).toContain('cuda: not installed: npm i @flashmla/kernels-cuda');
  });
});
