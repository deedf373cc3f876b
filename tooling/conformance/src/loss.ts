// What the contract promises of a device that is lost: what rejects, what comes back, what is gone, what is counted.

import {
  type Backend,
  type DeviceTensor,
  FlashMLAError,
  type HostTensor,
  type Program,
  tensor,
} from '@flashmla/tensor';
import { counting, doubling, expectDoubled, expectEqual, expectError, twiceIdentity } from './doubling.ts';

/** Takes the backend's device away, as a driver that restarts would. */
export type Lose = (backend: Backend) => unknown;

export interface LossCheck {
  readonly name: string;
  /** Raises when the promise is broken. `open` gives a fresh backend. */
  readonly run: (open: () => Promise<Backend>, lose: Lose) => Promise<void>;
}

const input = () => tensor(counting(), [6, 4]);
const weight = () => tensor(twiceIdentity(), [4, 4]);

/** A backend with the inputs of the doubling problem, which come back after a loss. */
class Restorable {
  readonly backend: Backend;
  readonly input: DeviceTensor;
  readonly weight: DeviceTensor;
  readonly signals: AbortSignal[] = [];
  /** Raised by the next `restore` of the input. */
  failure: unknown;
  /** Called by the next `restore` of the input. */
  meanwhile: (() => unknown) | undefined;

  constructor(backend: Backend) {
    this.backend = backend;
    this.input = backend.upload(input(), { restore: (signal) => this.#restoreInput(signal) });
    this.weight = backend.upload(weight(), {
      purpose: 'linear-weight',
      restore: (signal) => {
        this.signals.push(signal);
        return weight();
      },
    });
  }

  async expectWorks(): Promise<void> {
    const { backend } = this;
    using output = backend.allocate([6, 4], 'float32');
    backend.dispatch(await backend.prepare(doubling), { input: this.input, weight: this.weight }, { output });
    await expectDoubled(backend, output);
  }

  async #restoreInput(signal: AbortSignal): Promise<HostTensor> {
    this.signals.push(signal);
    const { failure, meanwhile } = this;
    this.failure = this.meanwhile = undefined;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await meanwhile?.();
    if (failure !== undefined) throw failure;
    return input();
  }
}

/** Runs `body` on a backend of its own. */
async function withRestorable(open: () => Promise<Backend>, body: (held: Restorable) => Promise<void>): Promise<void> {
  await using backend = await open();
  await body(new Restorable(backend));
}

async function expectLost(what: string, action: () => unknown): Promise<void> {
  expectEqual(`${what} raised`, (await expectError(what, action)).code, 'device-lost');
}

/** Takes the device away and waits until the backend knows. */
async function loseForSure(backend: Backend, lose: Lose): Promise<void> {
  await lose(backend);
  await expectLost('synchronize', () => backend.synchronize());
}

export function lossChecks(): LossCheck[] {
  return [
    {
      name: 'what is in flight rejects, what follows is refused until it is recovered',
      run: (open, lose) =>
        withRestorable(open, async (held) => {
          const { backend, input, weight } = held;
          const program = await backend.prepare(doubling);
          using output = backend.allocate([6, 4], 'float32');
          backend.dispatch(program, { input, weight }, { output });
          const reading = expectLost('reading', () => backend.read(output));
          await lose(backend);
          await reading;
          await expectLost('read', () => backend.read(input));
          await expectLost('upload', () => backend.upload(tensor(counting(), [24])));
          await expectLost('allocate', () => backend.allocate([1], 'float32'));
          await expectLost('prepare', () => backend.prepare(doubling));
          await expectLost('dispatch', () => backend.dispatch(program, { input, weight }, { output }));
          await expectLost('synchronize', () => backend.synchronize());
          await backend.recover();
          await held.expectWorks();
        }),
    },
    {
      name: 'what has restore is back, again and again; a recovery has one signal',
      run: (open, lose) =>
        withRestorable(open, async (held) => {
          for (let round = 1; round <= 3; round++) {
            await loseForSure(held.backend, lose);
            await held.backend.recover();
            expectEqual('restores', held.signals.length, 2 * round);
            expectEqual('signals', new Set(held.signals).size, round);
            await held.expectWorks();
          }
        }),
    },
    {
      name: 'what has no restore, or was written since, is gone; its memory is not counted',
      run: (open, lose) =>
        withRestorable(open, async (held) => {
          const { backend, input, weight } = held;
          const before = backend.memory().usedBytes;
          const program: Program = await backend.prepare(doubling);
          const plain = backend.upload(tensor(counting(), [24]));
          const written = backend.upload(tensor(counting(), [24]), { restore: () => tensor(counting(), [24]) });
          backend.dispatch(program, { input, weight }, { output: written });
          const peak = backend.memory().peakBytes;
          await loseForSure(backend, lose);
          expectEqual('bytes in use of a lost device', backend.memory().usedBytes, 0);
          await backend.recover();
          expectEqual('bytes in use', backend.memory().usedBytes, before);
          if (backend.memory().peakBytes < peak) throw new Error('the peak forgets what was in use');
          for (const gone of [plain, written]) {
            await expectLost('reading what is gone', () => backend.read(gone));
            await expectLost('using what is gone', async () =>
              backend.dispatch(await backend.prepare(doubling), { input: gone, weight }, { output: input }),
            );
          }
          using output = backend.allocate([6, 4], 'float32');
          await expectLost('an old program', () => backend.dispatch(program, { input, weight }, { output }));
          const during = backend.memory().usedBytes;
          for (const gone of [plain, written]) {
            gone.dispose();
            gone.dispose();
          }
          expectEqual('bytes in use after dispose', backend.memory().usedBytes, during);
          await held.expectWorks();
        }),
    },
    {
      name: 'what is disposed, before the loss, before the recovery or during it, is not brought back',
      run: (open, lose) =>
        withRestorable(open, async (held) => {
          const { backend, input, weight } = held;
          const before = backend.memory().usedBytes;
          const never = () => {
            throw new Error('a disposed tensor was restored');
          };
          const [first, second] = [0, 1].map(() => backend.upload(tensor(counting(), [24]), { restore: never }));
          const third = backend.upload(tensor(counting(), [24]), { restore: () => tensor(counting(), [24]) });
          first!.dispose();
          await loseForSure(backend, lose);
          second!.dispose();
          held.meanwhile = () => third.dispose();
          await backend.recover();
          expectEqual('bytes in use', backend.memory().usedBytes, before);
          input.dispose();
          weight.dispose();
          expectEqual('bytes in use at the end', backend.memory().usedBytes, 0);
        }),
    },
    {
      name: 'concurrent calls share one recovery',
      run: (open, lose) =>
        withRestorable(open, async (held) => {
          const { backend } = held;
          await loseForSure(backend, lose);
          await Promise.all([backend.recover(), backend.recover(), backend.recover()]);
          expectEqual('restores', held.signals.length, 2);
          await held.expectWorks();
        }),
    },
    {
      name: 'a recovery that fails is told, and the next call tries anew',
      run: (open, lose) =>
        withRestorable(open, async (held) => {
          const { backend } = held;
          await loseForSure(backend, lose);
          held.failure = new FlashMLAError('invalid-file', '[conformance] the file is not there any more.');
          const { failure } = held;
          expectEqual('what recover raised', await expectError('recover', () => backend.recover()), failure);
          await expectLost('a call', () => backend.synchronize());
          await backend.recover();
          await held.expectWorks();
        }),
    },
    {
      name: 'elements that are not those that were uploaded are refused',
      run: async (open, lose) => {
        await using backend = await open();
        using _wrong = backend.upload(tensor(counting(), [24]), {
          restore: () => tensor(counting().subarray(1), [23]),
        });
        await loseForSure(backend, lose);
        expectEqual('code', (await expectError('recover', () => backend.recover())).code, 'invalid-argument');
      },
    },
    {
      name: 'a backend that is disposed while it recovers ends the recovery',
      run: (open, lose) =>
        withRestorable(open, async (held) => {
          const { backend } = held;
          await loseForSure(backend, lose);
          held.meanwhile = () => backend.dispose();
          expectEqual('code', (await expectError('recover', () => backend.recover())).code, 'disposed');
          expectEqual('the signal', held.signals[0]?.aborted, true);
          await expectError('allocate', () => backend.allocate([1], 'float32'));
        }),
    },
  ];
}
