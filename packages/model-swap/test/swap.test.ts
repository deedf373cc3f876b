import { type AttentionModule, FlashMLAAttention } from '@flashmla/attention';
import { ContentGate, OracleGate, StaticGate } from '@flashmla/gating';
import { type Backend, DeviceTensor, type HostTensor, type Tensor, tensor } from '@flashmla/tensor';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type EncoderModel, fitGates, loadModel, restoreAttention, swapAttention, verifySwap } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, SIZES, tinyBert } from './support/tiny-models.ts';

let backend: Backend;
let model: EncoderModel;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());
beforeEach(async () => {
  model = await loadModel(filesOf(tinyBert()), { backend });
});
afterEach(() => model.dispose());

const LONG = 'the film was very very bad and not good, and a bad film was not very good at all. '.repeat(3);
const TEXTS = [LONG, 'good', 'the film was bad, very bad and a good film was not a bad film, ever'];

/** Lists, whatever is faster here: the same keys on every machine. */
const lists = () => new ContentGate({ shape: 'lists', rank: 8 });

const dims = { dim: SIZES.modelDim, heads: SIZES.heads };
const bits = ({ array }: HostTensor) => [...new Uint32Array(array.buffer, array.byteOffset, array.length)];
const largestDifference = (a: HostTensor, b: HostTensor) =>
  Math.max(...Array.from(a.array as Float32Array, (value, i) => Math.abs(value - Number(b.array[i]))));

describe('swapAttention', () => {
  it('swaps every layer, and the model gives nearly the same', async () => {
    const dense = await model.run(TEXTS);
    const report = swapAttention(model, { k: 24, crossover: 0, gate: lists });
    expect(report).toEqual({
      layers: [0, 1].map((layer) => ({ layer, gate: 'content', k: 24, crossover: 0, needsFit: true })),
      unchanged: [],
    });
    const sparse = await model.run(TEXTS);
    const difference = largestDifference(dense.logits!, sparse.logits!);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.15);
    const attention = model.encoder.layer[0]!.attention as FlashMLAAttention;
    expect(attention.statistics.sparse).toBeGreaterThan(0);
  });

  it('swaps only the layers it is told to, with the gate it is told', async () => {
    const report = swapAttention(model, { layers: [1], gate: 'oracle', k: 8, crossover: 0 });
    expect(report.layers).toEqual([{ layer: 1, gate: 'oracle', k: 8, crossover: 0, needsFit: false }]);
    expect(report.unchanged).toEqual([0]);
    expect(model.encoder.layer[0]!.attention).toBe(model.encoder.layer[0]!.dense);
    expect(swapAttention(model, { shape: 'blocks', k: 16 }).layers).toHaveLength(2);
    expect(() => swapAttention(model, { shape: 'blocks', gate: 'oracle' })).toThrow("shape is 'blocks'");
    const gates = [new StaticGate({ k: 8 }), new OracleGate({ k: 8 })];
    const byLayer = swapAttention(model, { gate: (layer) => gates[layer]! });
    expect(byLayer.layers).toEqual([
      { layer: 0, gate: 'static', k: 8, needsFit: false },
      { layer: 1, gate: 'oracle', k: 8, needsFit: false },
    ]);
  });

  it('changes nothing when an option makes no sense', () => {
    expect(() => swapAttention(model, { layers: [0, 2] })).toThrow(
      '[model-swap] layer 2 was to be swapped; this model has the layers 0 to 1.',
    );
    expect(() => swapAttention(model, { layers: ['0'] as never })).toThrow(
      "layer the string '0' was to be swapped; this model has the layers 0 to 1.",
    );
    expect(() => swapAttention(model, { layers: 0 as never })).toThrow('layers is the number 0; expected a list');
    expect(() => swapAttention(model, { k: 0 })).toThrow('k is 0');
    expect(() => swapAttention(model, { crossover: -1 })).toThrow('crossover is -1');
    const shared = lists();
    expect(() => swapAttention(model, { gate: () => shared })).toThrow(
      'layer 1 was given the content gate of another layer',
    );
    expect(() => swapAttention(model, { gate: 'nothing' as never })).toThrow("there is no gate 'nothing'");
    for (const { attention, dense } of model.encoder.layer) expect(attention).toBe(dense);
  });

  it('is dense where k covers the text, bit for bit', async () => {
    const dense = await model.run(TEXTS);
    swapAttention(model, { k: SIZES.positions });
    const swapped = await model.run(TEXTS);
    expect(bits(swapped.logits!)).toEqual(bits(dense.logits!));
  });

  it('gives a text the same answer alone and in a batch', async () => {
    swapAttention(model, { k: 8, crossover: 0 });
    const together = await model.run(TEXTS);
    for (const [index, text] of TEXTS.entries()) {
      const alone = await model.run(text);
      alone.logits!.array.forEach((value, label) => {
        expect(together.logits!.array[index * 3 + label]).toBeCloseTo(Number(value), 4);
      });
    }
  });
});

describe('restoreAttention', () => {
  it('makes the model what it was, bit for bit, and gives the memory back', async () => {
    const used = backend.memory().usedBytes;
    const before = await model.run(TEXTS);
    swapAttention(model, { k: 8, crossover: 0 });
    await model.run(TEXTS);
    restoreAttention(model);
    expect(backend.memory().usedBytes).toBe(used);
    const after = await model.run(TEXTS);
    expect(bits(after.lastHiddenState)).toEqual(bits(before.lastHiddenState));
    expect(bits(after.pooled!)).toEqual(bits(before.pooled!));
    expect(bits(after.logits!)).toEqual(bits(before.logits!));
    restoreAttention(model);
  });
});

describe('assigning to model.encoder.layer[i].attention', () => {
  it('takes over the layer with a FlashMLAAttention', async () => {
    const dense = await model.run(LONG);
    model.encoder.layer[0]!.attention = new FlashMLAAttention({ ...dims, k: 24, crossover: 0, gate: lists() });
    model.encoder.layer[1]!.attention = new FlashMLAAttention({ ...dims, k: 24, crossover: 0, gate: lists() });
    const sparse = await model.run(LONG);
    expect(largestDifference(dense.logits!, sparse.logits!)).toBeLessThan(0.15);
  });

  it('disposes what it replaces', async () => {
    const first = new FlashMLAAttention({ ...dims, k: 8 });
    model.encoder.layer[0]!.attention = first;
    model.encoder.layer[0]!.attention = new FlashMLAAttention({ ...dims, k: 4 });
    const layer = model.encoder.layer[0]!;
    expect(() => {
      layer.attention = first;
    }).toThrow('was disposed');
    expect((layer.attention as FlashMLAAttention).k).toBe(4);
  });

  it('takes any module with the same interface', async () => {
    let disposed = 0;
    const dense = model.encoder.layer[0]!.dense;
    const wrapped: AttentionModule = {
      ...dims,
      forward: async (x: Tensor, options) => {
        const output = await dense.forward(x, options);
        expect(output).toBeInstanceOf(DeviceTensor);
        return output;
      },
      dispose: () => {
        disposed++;
      },
    };
    const before = await model.run(LONG);
    model.encoder.layer[0]!.attention = wrapped;
    expect(bits((await model.run(LONG)).logits!)).toEqual(bits(before.logits!));
    restoreAttention(model);
    expect(disposed).toBe(1);
  });

  it('takes a module that computes all tokens where one is asked for', async () => {
    const last = model.encoder.layer.at(-1)!;
    const before = await model.run(LONG, { hidden: false });
    let asked: readonly number[] | undefined;
    last.attention = {
      ...dims,
      forward: (x, { query, ...options } = {}) => {
        asked = query?.shape;
        return last.dense.forward(x, options);
      },
      dispose: () => {},
    };
    const after = await model.run(LONG, { hidden: false });
    expect(asked).toEqual([1, dims.dim]);
    before.logits!.array.forEach((value, i) => {
      expect(after.logits!.array[i]).toBeCloseTo(Number(value), 5);
    });
  });

  it('takes a module that answers from host memory', async () => {
    const dense = model.encoder.layer[0]!.dense;
    const before = await model.run(LONG);
    model.encoder.layer[0]!.attention = {
      ...dims,
      forward: async (x, options) => {
        const output = await dense.forward(x, options);
        const moved = tensor(await output.data(), output.shape);
        output.dispose();
        return moved;
      },
      dispose: () => {},
    };
    expect(bits((await model.run(LONG)).logits!)).toEqual(bits(before.logits!));
  });

  it('refuses what does not fit, and stays as it was', async () => {
    const layer = model.encoder.layer[0]!;
    const assign = (module: unknown) => () => {
      layer.attention = module as AttentionModule;
    };
    expect(assign(undefined)).toThrow('[model-swap] the attention given to layer 0 is no attention module');
    expect(assign({ forward: () => {} })).toThrow('is no attention module');
    expect(assign(new FlashMLAAttention({ dim: 32, heads: 2, k: 8 }))).toThrow(
      '[model-swap] the attention given to layer 0 has dim 32 and 2 heads; this model has dim 24 and 2 heads.',
    );
    expect(assign(new FlashMLAAttention({ dim: 24, heads: 4, k: 8 }))).toThrow('has dim 24 and 4 heads');
    const shared = new FlashMLAAttention({ ...dims, k: 8 });
    model.encoder.layer[1]!.attention = shared;
    expect(assign(shared)).toThrow(
      'the attention given to layer 0 already serves layer 1; make one module for each layer.',
    );
    expect(assign(model.encoder.layer[1]!.dense)).toThrow('already serves layer 1');
    expect(layer.attention).toBe(layer.dense);
    layer.attention = { ...dims, forward: async (x) => x, dispose: () => {} };
  });

  it('names the layer whose module gives another shape', async () => {
    model.encoder.layer[1]!.attention = {
      ...dims,
      forward: async () => tensor(new Float32Array(24), [1, 24]),
      dispose: () => {},
    };
    const used = backend.memory().usedBytes;
    await expect(model.run('good')).rejects.toThrow(
      'the attention of layer 1 gave float32 [1, 24] for an input of float32 [1, 3, 24]',
    );
    expect(backend.memory().usedBytes).toBe(used);
  });
});

describe('fitting gates', () => {
  const gateOf = (index: number, of = model) =>
    (of.encoder.layer[index]!.attention as FlashMLAAttention).gate as ContentGate;

  it('happens once, on the first run that needs it, the same whatever runs first', async () => {
    swapAttention(model, { k: 8, crossover: 0 });
    await model.run('good');
    expect(gateOf(0).fitted).toBe(false);
    const results = await Promise.all([model.run(LONG), model.run(LONG), model.run(LONG)]);
    expect(gateOf(0).fitted).toBe(true);
    const state = gateOf(0).state();
    for (const { logits } of results) expect(bits(logits!)).toEqual(bits(results[0]!.logits!));
    await model.run('a film was good and bad and very good');
    expect(gateOf(0).state()).toEqual(state);

    const other = await loadModel(filesOf(tinyBert()), { backend });
    swapAttention(other, { k: 8, crossover: 0 });
    await other.run('a film was good and bad and very good');
    expect(gateOf(0, other).state()).toEqual(state);
    expect(bits((await other.run(LONG)).logits!)).toEqual(bits(results[0]!.logits!));
    await other.dispose();
  });

  it('is kept for the next swap', async () => {
    swapAttention(model, { k: 8, crossover: 0 });
    await model.run(LONG);
    const state = gateOf(1).state();
    restoreAttention(model);
    expect(swapAttention(model, { k: 4 }).layers.map(({ needsFit }) => needsFit)).toEqual([false, false]);
    expect(gateOf(1).state()).toEqual(state);
  });

  it('takes the texts it is given', async () => {
    swapAttention(model, { k: 8, crossover: 0 });
    const progress: number[] = [];
    const report = await fitGates(model, [LONG, LONG.slice(20)], {
      tokensPerText: 30,
      progress: ({ task, done, total }) => {
        expect(task).toBe('fit');
        progress.push(done / total);
      },
    });
    expect(report).toEqual({ layers: [0, 1], tokens: 60 });
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBeCloseTo(1);
    expect(gateOf(0).ranks).toHaveLength(SIZES.heads);
    expect([...model.gates.keys()]).toEqual([0, 1]);
  });

  it('stops when its signal aborts', async () => {
    swapAttention(model, { k: 8, crossover: 0 });
    const used = backend.memory().usedBytes;
    const abort = new AbortController();
    const reason = new Error('enough');
    const fit = fitGates(model, [LONG], { signal: abort.signal, progress: () => abort.abort(reason) });
    await expect(fit).rejects.toBe(reason);
    expect(backend.memory().usedBytes).toBe(used);
    expect(gateOf(1).fitted).toBe(false);
    const run = new AbortController();
    const running = model.run(LONG, { signal: run.signal });
    run.abort(reason);
    await expect(running).rejects.toBe(reason);
    await model.run(LONG);
    expect(gateOf(1).fitted).toBe(true);
  });

  it('needs texts, and does nothing without content gates', async () => {
    await expect(fitGates(model, [])).rejects.toThrow('[model-swap] no texts to fit gates to');
    expect(await fitGates(model, ['good'])).toEqual({ layers: [], tokens: 3 });
  });
});

describe('verifySwap', () => {
  it('finds no drift where nothing was swapped', async () => {
    expect(await verifySwap(model, TEXTS)).toEqual({
      texts: 3,
      hidden: { mean: expect.closeTo(1, 9), least: expect.closeTo(1, 9) },
      pooled: { mean: expect.closeTo(1, 9), least: expect.closeTo(1, 9) },
      logits: { maxAbsolute: 0, relative: 0, agreement: 1 },
      layers: [],
    });
  });

  it('reports the drift of the output and of each layer', async () => {
    swapAttention(model, { k: 24, crossover: 0, gate: lists, layers: [1] });
    const seen: number[] = [];
    const report = await verifySwap(model, TEXTS, { progress: ({ done, total }) => seen.push(done / total) });
    expect(seen.at(-1)).toBe(1);
    expect(report.logits!.maxAbsolute).toBeGreaterThan(0);
    expect(report.logits!.relative).toBeLessThan(0.1);
    expect(report.hidden.least).toBeGreaterThan(0.99);
    expect(report.hidden.least).toBeLessThanOrEqual(report.hidden.mean);
    const [drift] = report.layers;
    expect(report.layers).toHaveLength(1);
    expect(drift!.layer).toBe(1);
    expect(drift!.sparse).toBeCloseTo(1 / 3);
    expect(drift!.recall).toBeGreaterThan(0.9);
    expect(drift!.recall).toBeLessThan(1);
    expect(drift!.error).toBeGreaterThan(0);
    expect(drift!.error).toBeLessThan(0.05);
    expect(drift!.density).toBeLessThan(1);
    expect((model.encoder.layer[1]!.attention as FlashMLAAttention).measureRecall).toBe(false);
  });

  it('sees a better gate as better', async () => {
    const errorOf = async (k: number) => {
      swapAttention(model, { k, crossover: 0, gate: 'oracle' });
      return (await verifySwap(model, [LONG])).layers[0]!;
    };
    const [few, many] = [await errorOf(4), await errorOf(24)];
    expect(many.error).toBeLessThan(few.error!);
    expect(many.recall).toBeGreaterThan(few.recall!);
  });
});
