import type { Program } from '@flashmla/tensor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { timeLayer } from '../src/time-layer.ts';
import { fakeBackend, type Speed, useFakeClock } from './fakes.ts';

beforeEach(() => void useFakeClock());
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const { POSITIVE_INFINITY: nobody } = Number;

/** What is measured, and how many ops it took. */
async function time(speed: Speed, bestMs: number) {
  const fake = fakeBackend('webgpu', 'a device', speed);
  const dispatch = vi.spyOn(fake, 'dispatch');
  return { ...(await timeLayer(fake, 512, bestMs)), ops: dispatch.mock.calls.length };
}

describe('the time of a layer', () => {
  it('is the least of three runs of four layers', async () => {
    const opMs = (n: number) => (n >= 44 && n < 72 ? 0.5 : 1);
    expect(await time({ opMs }, nobody)).toEqual({ layerMs: 3.5, ops: 2 + 2 * 7 + 3 * 28 });
  });

  it('leaves out what happens once', async () => {
    const opMs = (n: number) => (n === 0 || n === 5 ? 900 : 0.5);
    expect(await time({ opMs }, 3)).toMatchObject({ layerMs: 3.5 });
  });

  it('is taken in fewer runs where they are long', async () => {
    expect(await time({ opMs: 50 }, nobody)).toEqual({ layerMs: 350, ops: 2 + 2 * 7 + 28 });
  });

  it('is of no interest once it must be more than four times the best', async () => {
    expect(await time({ opMs: 11 }, 10)).toEqual({ tooSlow: 'more than 40 ms', ops: 2 });
    expect(await time({ opMs: 9 }, 10)).toEqual({ tooSlow: 'more than 40 ms', ops: 16 });
    expect(await time({ opMs: 5 }, 10)).toMatchObject({ layerMs: 35 });
  });

  it('may be a few ms longer than any best', async () => {
    expect(await time({ opMs: 2.5 }, 0.1)).toMatchObject({ layerMs: 17.5 });
  });

  it('is of no interest where a shader compiles for seconds, unless there is nothing else', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const prepare = () => new Promise<Program>((resolve) => setTimeout(resolve, 5000, {}));
    const late = time({ prepare }, 10);
    await vi.advanceTimersByTimeAsync(1500);
    expect(await late).toEqual({ tooSlow: 'more than 1.5 s to begin', ops: 0 });
    const alone = time({ prepare }, nobody);
    await vi.advanceTimersByTimeAsync(1e6);
    expect(await alone).toMatchObject({ layerMs: 7 });
  });
});
