// calibrateGates as a whole: that gates learn, that the same seed gives the same, that an interruption loses nothing, and
// what is refused.

import { provider } from '@flashmla/kernels-cpu';
import type { Backend } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { budgetOf } from '../../src/calibration/head-curves.ts';
import { budgetShares, spreadBudget } from '../../src/calibration/spread-budget.ts';
import {
  BlockGate,
  type CalibrationReport,
  type CheckpointStore,
  ContentGate,
  calibrateGates,
  type LearnableGate,
  SlotGate,
  StaticGate,
} from '../../src/index.ts';
import { clustered } from '../data.ts';
import { dimensions, fakeModel, texts } from './fake-model.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await provider.open({ threads: 2 });
});
afterAll(() => backend.dispose());

const mean = (report: CalibrationReport, which: 'recallBefore' | 'recallAfter' | 'errorBefore' | 'errorAfter') =>
  report.layers.reduce((sum, head) => sum + head[which], 0) / report.layers.length;

function memoryStore(): CheckpointStore & { bytes: Uint8Array | undefined } {
  return {
    bytes: undefined,
    async load() {
      return this.bytes;
    },
    async save(bytes) {
      this.bytes = bytes;
    },
  };
}

describe('learning', () => {
  it('brings a content gate of few dimensions closer than the closed form, where heads are sharp', async () => {
    const gate = new ContentGate({ rank: 4, shape: 'lists' });
    const { model, remembered } = fakeModel(backend, { gate, k: 16, sharpness: 1.5 });
    const report = await calibrateGates(model, texts, { learningRate: 3e-3 });
    expect(report).toMatchObject({ texts: 8, heldOut: 2 });
    expect(mean(report, 'recallAfter')).toBeGreaterThan(mean(report, 'recallBefore'));
    expect(mean(report, 'errorAfter')).toBeLessThan(0.97 * mean(report, 'errorBefore'));
    expect(remembered).toEqual([0]);
  });

  it('teaches a slot gate, which knows nothing before', async () => {
    const gate = new SlotGate({ slotCount: 12 });
    const { model } = fakeModel(backend, { gate, k: 24 });
    const report = await calibrateGates(model, texts, { learningRate: 1e-2 });
    // Random slots hold k of all tokens.
    expect(mean(report, 'recallBefore')).toBeLessThan((24 / 160) * 1.2);
    expect(mean(report, 'recallAfter')).toBeGreaterThan(mean(report, 'recallBefore') + 0.15);
    expect(gate.fitted).toBe(true);
  });

  it('gives a block gate weights that select at least as well as mean queries and keys', async () => {
    const gate = new BlockGate({ block: 8 });
    const { model } = fakeModel(backend, { gate, k: 40 });
    const report = await calibrateGates(model, texts, { learningRate: 1e-2 });
    expect(mean(report, 'recallAfter')).toBeGreaterThan(mean(report, 'recallBefore'));
    expect(gate.state()).toMatchObject({ gate: 'block', block: 8 });
  });

  it('leaves a head as it was that comes out no better', async () => {
    const gate = new ContentGate({ rank: 8 });
    const { model } = fakeModel(backend, { gate, k: 16 });
    const report = await calibrateGates(model, texts, { steps: 25, learningRate: 10 });
    for (const head of report.layers) {
      expect(head).toMatchObject({ kept: false, recallAfter: head.recallBefore, errorAfter: head.errorBefore });
    }
    const untouched = new ContentGate({ rank: 8 });
    await calibrateGates(fakeModel(backend, { gate: untouched, k: 16 }).model, texts, {
      steps: 1,
      learningRate: 1e-12,
    });
    expect(gate.state()).toEqual(untouched.state());
  });
});

describe('the same seed', () => {
  const run = async (options: Parameters<typeof calibrateGates>[2], gate: LearnableGate = new SlotGate()) => {
    const report = await calibrateGates(fakeModel(backend, { gate, k: 16 }).model, texts, { steps: 50, ...options });
    return { report, state: gate.state() };
  };

  it('gives the same gates, another seed others', async () => {
    const first = await run({ seed: 3 });
    expect(await run({ seed: 3 })).toEqual(first);
    expect((await run({ seed: 4 })).state).not.toEqual(first.state);
  });

  it('gives the same after an interruption', async () => {
    const whole = await run({});
    const checkpoint = memoryStore();
    const stop = new AbortController();
    const interrupted = run({
      checkpoint,
      signal: stop.signal,
      progress: ({ done }) => done === 1 && stop.abort(new Error('stopped')),
    });
    await expect(interrupted).rejects.toThrow('stopped');
    expect(checkpoint.bytes).toBeDefined();
    const heads: number[] = [];
    const resumed = await run({ checkpoint, progress: ({ done }) => heads.push(done) });
    expect(resumed).toEqual(whole);
    expect(heads).toEqual([0, 1, 2]);
  });

  it('refuses a checkpoint of another calibration', async () => {
    const checkpoint = memoryStore();
    await run({ checkpoint });
    await expect(run({ checkpoint, seed: 9 })).rejects.toThrow('the checkpoint is of a calibration with other texts');
  });
});

describe('a budget', () => {
  const options = { steps: 1, budget: { meanK: 16 } };

  it('goes to the heads whose output it brings closer, at the same cost', async () => {
    using gate = new ContentGate({ shape: 'lists' });
    const { model, remembered } = fakeModel(backend, { gate, k: 16, flatSecondHead: true });
    const { budget } = await calibrateGates(model, texts, options);
    const [sharp, flat] = budget!.heads;
    expect(budget).toMatchObject({ meanK: 16, kept: true });
    expect(sharp!.k + flat!.k).toBeLessThanOrEqual(32);
    expect(sharp!.k).toBeGreaterThan(16);
    expect(budget!.spread.error).toBeLessThan(budget!.uniform.error);
    expect(remembered).toEqual([0, 0]);

    const { query, key } = clustered({ batch: 1, ...dimensions, tokens: 200 }, 5);
    const listed = async (k: number | undefined) => {
      using selected = await gate.select({ backend, query, key, k });
      const { shape } = selected.indices;
      const entries = (await selected.indices.data()) as Int32Array;
      const perHead = entries.length / shape[1]!;
      return [0, 1].map((head) => {
        const own = entries.subarray(head * perHead, (head + 1) * perHead);
        return own.filter((entry) => entry >= 0).length / shape[2]!;
      });
    };
    expect(await listed(16)).toEqual([sharp!.k, flat!.k]);
    expect(await listed(32)).toEqual([2 * sharp!.k, 2 * flat!.k]);

    using again = new ContentGate({ shape: 'blocks' });
    again.load(gate.state());
    using blocks = await again.select({ backend, query, key, k: 64 });
    expect(blocks.indices.shape[3]).toBe(Math.floor((4 * sharp!.k) / 16));
    expect(blocks.meanSlots).toBe((Math.floor((4 * sharp!.k) / 16) + Math.max(1, Math.floor((4 * flat!.k) / 16))) / 2);
  });

  it('that is spread already stays so when a calibration is interrupted', async () => {
    using gate = new ContentGate({ shape: 'lists' });
    const { model } = fakeModel(backend, { gate, k: 16 });
    await calibrateGates(model, texts, { steps: 1 });
    gate.load({ ...gate.state(), shares: [0.5, 1.5] });
    const stop = new AbortController();
    const progress = ({ done }: { done: number }) => done === 1 && stop.abort(new Error('stopped'));
    await expect(calibrateGates(model, texts, { signal: stop.signal, progress })).rejects.toThrow('stopped');
    expect(gate.state()).toMatchObject({ shares: [0.5, 1.5] });
    // One that ends without a budget gives every head k keys again.
    await calibrateGates(model, texts, { steps: 1 });
    expect(gate.state()).not.toHaveProperty('shares');
  });

  it('stays even where that is no worse', async () => {
    const at = budgetShares.map((share) => ({ recall: share / 4, error: 1 / share }));
    const curve = { training: at, heldOut: at };
    const { report, shares } = budgetOf(
      16,
      [0, 1].map((head) => ({ layer: 0, head, curve })),
    );
    expect(shares).toEqual([1, 1]);
    expect(report).toMatchObject({ kept: false, uniform: { recall: 0.25, error: 1 } });
  });

  it('is for content gates, and a whole number', async () => {
    const slot = fakeModel(backend, { gate: new SlotGate(), k: 16 }).model;
    await expect(calibrateGates(slot, texts, options)).rejects.toThrow(
      'over the heads of a slot gate; only content gates',
    );
    const content = fakeModel(backend, { gate: new ContentGate(), k: 16 }).model;
    await expect(calibrateGates(content, texts, { budget: { meanK: 0.5 } })).rejects.toThrow('budget.meanK is 0.5');
    await expect(calibrateGates(content, texts, { steps: 1, budget: { meanK: 40 } })).rejects.toThrow(
      'gives heads up to 160; 0 texts to learn from and 0 held out have more tokens',
    );
  });

  it('is spread by the greedy step that saves most error for its keys', () => {
    const flat = budgetShares.map(() => 0.01);
    const steep = budgetShares.map((share) => 1 / share);
    expect(spreadBudget([flat, flat])).toEqual([1 / 8, 1 / 8]);
    expect(spreadBudget([steep, steep])).toEqual([1, 1]);
    expect(spreadBudget([steep, flat])).toEqual([3 / 2, 1 / 8]);
    // A curve that falls only late is walked in one step.
    const late = budgetShares.map((share) => (share >= 2 ? 0 : 1));
    expect(spreadBudget([late, flat, flat])).toEqual([2, 1 / 8, 1 / 8]);
  });
});

describe('refuses', () => {
  const calibrate = (gate: LearnableGate, k: number, given: unknown, options = {}) =>
    calibrateGates(fakeModel(backend, { gate, k }).model, given as string[], options);

  it('a model without a gate that learns', async () => {
    const { model } = fakeModel(backend, { gate: new StaticGate() as never, k: 8 });
    await expect(calibrateGates(model, texts)).rejects.toThrow('[gating] there is no gate to calibrate');
  });

  it('too few texts, and texts that are all shorter than k', async () => {
    await expect(calibrate(new SlotGate(), 8, ['1'])).rejects.toThrow(
      'was given 1 texts; expected a list of at least two',
    );
    await expect(calibrate(new SlotGate(), 8, 'one')).rejects.toThrow('was given string; expected a list');
    await expect(calibrate(new SlotGate(), 500, texts)).rejects.toThrow(
      '0 of 10 texts have more tokens than the gate of layer 0 selects keys',
    );
  });

  it('numbers that make no sense', async () => {
    await expect(calibrate(new SlotGate(), 8, texts, { steps: 0 })).rejects.toThrow(
      'steps is 0; expected a whole number',
    );
    await expect(calibrate(new SlotGate(), 8, texts, { learningRate: Number.NaN })).rejects.toThrow(
      'learningRate is NaN; expected a number > 0',
    );
  });

  it('the state of another kind of gate', async () => {
    const slot = new SlotGate();
    await calibrate(slot, 16, texts, { steps: 1 });
    expect(() => new ContentGate().load(slot.state())).toThrow(
      "[gating] content: the state is that of a 'slot' gate; expected what state() of a 'content' gate gave.",
    );
    expect(() => new SlotGate({ slotCount: 4 }).load(slot.state())).toThrow('the state is of 32 slots, the gate has 4');
    expect(() => new BlockGate().state()).toThrow('there is nothing to store yet');
  });
});
