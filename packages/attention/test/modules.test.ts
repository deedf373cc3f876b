import { selectBackend } from '@flashmla/backend';
import { gateNames } from '@flashmla/gating';
import { type Backend, FlashMLAError, type HostTensor, selection, type Tensor, tensor } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttentionProjections, DenseAttention, FlashMLAAttention } from '../src/index.ts';
import { initialProjections } from '../src/projections.ts';
import { testBackends } from './backends.ts';
import { FixedGate, listsKey } from './fixed-gate.ts';
import { largestDifference, naiveAttention, naiveLinear, swapMiddle } from './naive.ts';
import { randomArray } from './random.ts';

const dim = 24;
const heads = 3;
const headDim = dim / heads;
const k = 4;

const randomProjections = (): AttentionProjections => {
  const projection = (seed: number) => ({
    weight: tensor(randomArray(dim * dim, seed), [dim, dim]),
    bias: tensor(randomArray(dim, seed + 1), [dim]),
  });
  return { query: projection(10), key: projection(20), value: projection(30), output: projection(40) };
};
const projections = randomProjections();

const text = (batch: number, tokens: number, seed = 5) =>
  tensor(randomArray(batch * tokens * dim, seed), [batch, tokens, dim]);

/** Rows of a [1, tokens, dim], as a text of its own. */
const rowsOf = (given: HostTensor, start: number, end: number) =>
  tensor(arrayOf(given).slice(start * dim, end * dim), [1, end - start, dim]);

const arrayOf = (given: Tensor) => (given as HostTensor).array as Float32Array;

/** The whole module in float64: projections, attention over the keys `attends` allows, output projection. */
function naiveModule(
  x: HostTensor,
  keyMask?: Uint8Array,
  attends?: (batch: number, head: number, query: number, key: number) => boolean,
) {
  const [batch, tokens] = x.shape as [number, number];
  const project = (name: keyof AttentionProjections, input: ArrayLike<number>) =>
    naiveLinear(input, arrayOf(projections[name].weight), arrayOf(projections[name].bias!));
  const headsFirst = (name: keyof AttentionProjections) =>
    swapMiddle(project(name, arrayOf(x)), [batch, tokens, heads, headDim]);
  const attention = naiveAttention({
    query: headsFirst('query'),
    key: headsFirst('key'),
    value: headsFirst('value'),
    shape: [batch, heads, tokens, headDim],
    keys: tokens,
    ...(keyMask && { keyMask }),
    ...(attends && { attends }),
  });
  const output = project('output', swapMiddle(attention.output, [batch, heads, tokens, headDim]));
  return { output, lse: attention.lse };
}

const listed = (tokens: number) => (_batch: number, head: number, query: number, key: number) =>
  listsKey(tokens, k, head, query, key);

async function failureOf(work: Promise<unknown> | (() => unknown)): Promise<FlashMLAError> {
  const error = await (async () => (typeof work === 'function' ? work() : work))().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FlashMLAError);
  return error as FlashMLAError;
}

describe.each(testBackends)('attention modules on %s', (_name, open) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend.dispose());

  const numbers = async (given: Promise<Tensor>) => {
    const output = await given;
    const data = (await output.data()) as Float32Array;
    output.dispose();
    return data;
  };
  const sparseModule = (options: Partial<ConstructorParameters<typeof FlashMLAAttention>[0]> = {}) =>
    new FlashMLAAttention({ dim, heads, backend, projections, k, gate: new FixedGate(), crossover: 0, ...options });

  it('dense is the definition, masked or not, from host or device', async () => {
    using module = new DenseAttention({ dim, heads, backend, projections });
    const x = text(2, 13);
    const mask = Uint8Array.from({ length: 26 }, (_, i) => (i < 13 || i < 20 ? 1 : 0));
    expect(largestDifference(await numbers(module.forward(x)), naiveModule(x).output)).toBeLessThan(2e-5);
    using onDevice = backend.upload(x);
    using maskOnDevice = backend.upload(tensor(mask, [2, 13]));
    const output = await module.forward(onDevice, { keyMask: maskOnDevice });
    expect(output.shape).toEqual([2, 13, dim]);
    expect(largestDifference(await numbers(Promise.resolve(output)), naiveModule(x, mask).output)).toBeLessThan(2e-5);
    expect(onDevice.disposed || maskOnDevice.disposed).toBe(false);
  });

  it('sparse is the definition over the keys its gate lists', async () => {
    using module = sparseModule();
    const x = text(2, 19);
    const mask = Uint8Array.from({ length: 38 }, (_, i) => (i < 19 || i < 30 ? 1 : 0));
    const expected = naiveModule(x, undefined, listed(19)).output;
    const masked = naiveModule(x, mask, listed(19)).output;
    expect(largestDifference(await numbers(module.forward(x)), expected)).toBeLessThan(2e-5);
    const keyMask = tensor(mask, [2, 19], 'bool');
    expect(largestDifference(await numbers(module.forward(x, { keyMask })), masked)).toBeLessThan(2e-5);
  });

  it.each(['dense', 'sparse'] as const)('takes texts without padding, each as it is alone: %s', async (kind) => {
    using module = kind === 'dense' ? new DenseAttention({ dim, heads, backend, projections }) : sparseModule();
    const texts = [19, 11, 11, 7];
    const x = text(1, 48);
    const output = await numbers(module.forward(x, { texts }));
    await backend.synchronize();
    const before = backend.memory().usedBytes;
    const starts = texts.map((_, i) => texts.slice(0, i).reduce((sum, tokens) => sum + tokens, 0));
    const firsts = tensor(
      Float32Array.from(starts.flatMap((start) => [...rowsOf(x, start, start + 1).array].map(Number))),
      [4, dim],
    );
    const soles = await numbers(module.forward(x, { texts, query: firsts }));
    for (const [i, tokens] of texts.entries()) {
      const own = rowsOf(x, starts[i]!, starts[i]! + tokens);
      const alone = await numbers(module.forward(own));
      expect(largestDifference(output.subarray(starts[i]! * dim, (starts[i]! + tokens) * dim), alone)).toBeLessThan(
        1e-6,
      );
      const sole = await numbers(
        module.forward(own, { query: tensor(arrayOf(firsts).slice(i * dim, (i + 1) * dim), [1, dim]) }),
      );
      expect(largestDifference(soles.subarray(i * dim, (i + 1) * dim), sole)).toBeLessThan(1e-6);
    }
    await backend.synchronize();
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('says what is wrong with texts without padding', async () => {
    using module = new DenseAttention({ dim, heads, backend, projections });
    expect((await failureOf(module.forward(text(1, 12), { texts: [5, 6] }))).message).toContain(
      `was given [1, 12, ${dim}] as 2 texts of 11 tokens; expected [1, 11, ${dim}] and no mask`,
    );
    using keeping = sparseModule({ keepSelection: true });
    expect(keeping.packs).toBe(false);
    expect((await failureOf(keeping.forward(text(1, 11), { texts: [5, 6] }))).message).toContain(
      'does not take texts without padding',
    );
  });

  it('computes one token of each text where that is all that is asked for', async () => {
    const x = text(2, 19);
    const mask = Uint8Array.from({ length: 38 }, (_, i) => (i < 30 ? 1 : 0));
    const keyMask = tensor(mask, [2, 19]);
    const rowOf = (values: ArrayLike<number>, row: number) => Array.from(values).slice(row * dim, (row + 1) * dim);
    const ofFirsts = (values: ArrayLike<number>) => Float64Array.from([...rowOf(values, 0), ...rowOf(values, 19)]);
    const query = tensor(Float32Array.from(ofFirsts(arrayOf(x))), [2, dim]);
    const expected = ofFirsts(naiveModule(x, mask).output);
    using dense = new DenseAttention({ dim, heads, backend, projections });
    // One query costs less than any gate, so that a sparse module attends to all keys, too.
    using sparse = sparseModule();
    for (const module of [dense, sparse]) {
      const output = await module.forward(x, { keyMask, query });
      expect(output.shape).toEqual([2, dim]);
      expect(largestDifference(await numbers(Promise.resolve(output)), expected)).toBeLessThan(2e-5);
    }
    expect(sparse.statistics.last).toMatchObject({ chosen: 'dense', why: expect.stringMatching(/one token/) });
    sparse.keepSelection = true;
    const all = await sparse.forward(x, { keyMask, query });
    expect(all.shape).toEqual(x.shape);
    all.dispose();
    expect(await sparse.lastSelection()).toBeDefined();
    const wrong = tensor(new Float32Array(dim), [1, dim]);
    expect((await failureOf(dense.forward(x, { query: wrong }))).message).toMatch(
      /a query of \[1, 24\]; expected \[2, 24\]/,
    );
  });

  it('runs dense, bit for bit, where k covers all tokens or the crossover is not reached', async () => {
    using dense = new DenseAttention({ dim, heads, backend, projections });
    const gate = new FixedGate();
    using module = sparseModule({ gate, crossover: 16 });
    const [short, below, above] = [text(1, k), text(1, 15), text(1, 16)];
    expect(await numbers(module.forward(short))).toEqual(await numbers(dense.forward(short)));
    expect(module.statistics.last!.why).toBe('k = 4 covers all 4 tokens');
    expect(await numbers(module.forward(below))).toEqual(await numbers(dense.forward(below)));
    expect(module.statistics.last!.why).toBe('15 tokens are fewer than the given crossover of 16');
    expect(gate.calls).toBe(0);
    await numbers(module.forward(above));
    expect(gate.calls).toBe(1);
    expect(module.statistics).toMatchObject({ calls: 3, dense: 2, sparse: 1 });
    expect(module.statistics.last).toMatchObject({
      tokens: 16,
      chosen: 'sparse',
      why: '16 tokens reach the given crossover of 16',
      k,
      density: k / 16,
    });
    expect(module.statistics.last!.computeDensity).toBeGreaterThan(0);
    expect(module.statistics.last!.computeDensity).toBeLessThanOrEqual(1);
  });

  it('takes k from the gate, else by length', async () => {
    const gate = new FixedGate(5);
    using own = new FlashMLAAttention({ dim, heads, backend, projections, gate, crossover: 0 });
    await numbers(own.forward(text(1, 20)));
    expect(own.statistics.last).toMatchObject({ k: 5, density: 5 / 20 });
    using byLength = new FlashMLAAttention({ dim, heads, backend, projections, gate: new FixedGate(), crossover: 0 });
    await numbers(byLength.forward(text(1, 130)));
    expect(byLength.statistics.last!.k).toBe(32);
  });

  it('measures recall and error when asked', async () => {
    using module = sparseModule({ measureRecall: true });
    const x = text(2, 19);
    const mask = Uint8Array.from({ length: 38 }, (_, i) => (i < 19 || i < 30 ? 1 : 0));
    await numbers(module.forward(x, { keyMask: tensor(mask, [2, 19]) }));
    const dense = naiveModule(x, mask);
    const sparse = naiveModule(x, mask, listed(19));
    // The mean over the present queries of a head in a text, then over heads and texts.
    const shares = Array.from({ length: 2 * heads }, (_, head) => {
      const rows = Array.from({ length: 19 }, (_, i) => head * 19 + i);
      const present = rows.filter((row) => mask[Math.floor(head / heads) * 19 + (row % 19)]);
      const mass = present.map((row) => Math.exp(sparse.lse[row]! - dense.lse[row]!));
      return mass.reduce((sum, share) => sum + share, 0) / present.length;
    });
    const recall = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(module.statistics.last!.recall).toBeCloseTo(recall, 5);
    expect(module.statistics.last!.error).toBeGreaterThan(0);

    module.measureRecall = false;
    await numbers(module.forward(x));
    expect(module.statistics.last).not.toHaveProperty('recall');
  });

  it('finds no error where the gate lists every key', async () => {
    const tokens = 17;
    using module = sparseModule({
      k: tokens - 1,
      gate: new (class extends FixedGate {
        override select(inputs: Parameters<FixedGate['select']>[0]) {
          return super.select({ ...inputs, k: tokens });
        }
      })(),
      measureRecall: true,
    });
    await numbers(module.forward(text(1, tokens)));
    expect(module.statistics.last!.recall).toBeCloseTo(1, 5);
    expect(module.statistics.last!.error).toBeLessThan(1e-5);
  });

  it('concurrent calls give what they give alone', async () => {
    using module = sparseModule({ crossover: 12, keepSelection: true, measureRecall: true });
    const inputs = [text(1, 19, 1), text(2, 14, 2), text(1, 10, 3), text(3, 33, 4)];
    const alone: Float32Array[] = [];
    for (const x of inputs) alone.push(await numbers(module.forward(x)));
    const together = await Promise.all(inputs.map((x) => numbers(module.forward(x))));
    expect(together).toEqual(alone);
    expect(module.statistics).toMatchObject({ calls: 8, dense: 2, sparse: 6 });
  });

  it('gives back everything but its output, whatever happens', async () => {
    const before = backend.memory().usedBytes;
    {
      using dense = new DenseAttention({ dim, heads, backend, projections });
      using sparse = sparseModule({ measureRecall: true, keepSelection: true });
      const x = text(2, 19);
      await numbers(dense.forward(x));
      await numbers(sparse.forward(x));
      sparse.keepSelection = false;
      const held = backend.memory().usedBytes;
      const output = await sparse.forward(x);
      expect(backend.memory().usedBytes).toBeGreaterThan(held);
      output.dispose();
      expect(backend.memory().usedBytes).toBe(held);

      const controller = new AbortController();
      const started = sparse.forward(x, { signal: controller.signal });
      controller.abort(new Error('enough'));
      await expect(started).rejects.toThrow('enough');
      await expect(dense.forward(x, { signal: controller.signal })).rejects.toThrow('enough');
      expect(backend.memory().usedBytes).toBe(held);
    }
    await backend.synchronize();
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('says so when it was disposed under way', async () => {
    const before = backend.memory().usedBytes;
    const module = new DenseAttention({ dim, heads, backend, projections });
    const started = module.forward(text(1, 19));
    module.dispose();
    await expect(started).rejects.toThrow('was disposed; make a new one');
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('refuses what is no backend, no projection, no gate or no tensor, by name', async () => {
    const make = (options: object) => () => new FlashMLAAttention({ dim, heads, k, ...options } as never);
    expect(make({ backend: 'cpu' })).toThrow("backend is the string 'cpu'; expected an open one");
    expect(make({ projections: {} })).toThrow(
      'was given projections without query; expected { weight, bias? } for each',
    );
    expect(make({ gate: {} })).toThrow("gate is a plain object; expected a gate's name or a gate");
    expect(make({ crossover: '512' })).toThrow('crossover is 512; expected a number');
    using module = new DenseAttention({ dim, heads, backend, projections });
    const forward = (x: unknown, keyMask?: unknown) => module.forward(x as Tensor, { keyMask: keyMask as Tensor });
    await expect(forward(new Float32Array(dim))).rejects.toThrow('x is a Float32Array; expected a tensor');
    await expect(forward(text(1, 19), [1, 1])).rejects.toThrow('keyMask is an Array; expected a tensor');
    await expect(forward(text(1, 19), tensor(new Uint8Array(3), [1, 3]))).rejects.toThrow(
      'keyMask is uint8 [1, 3]; expected uint8 [1, 19]',
    );
  });

  it('keeps the last selection when asked, in a form that can be used again', async () => {
    using module = sparseModule({ keepSelection: true });
    expect(await module.lastSelection()).toBeUndefined();
    await numbers(module.forward(text(2, 19)));
    const kept = module.selection!;
    const plain = (await module.lastSelection())!;
    expect(plain).toMatchObject({ tileQueries: 1, blockKeys: 1, residualGroup: 0, shape: [2, heads, 19, k] });
    expect(selection(plain).indices.shape).toEqual([2, heads, 19, k]);
    expect([...plain.indices.subarray(0, k)].every((key) => listsKey(19, k, 0, 0, key))).toBe(true);

    const reading = module.lastSelection();
    await numbers(module.forward(text(1, 21)));
    expect((await reading)!.indices).toEqual(plain.indices);
    expect((kept.indices as unknown as { disposed: boolean }).disposed).toBe(true);
    await numbers(module.forward(text(1, k)));
    expect(module.selection).toBeUndefined();
  });

  it('takes over a layer, uses its projections, and gives it back', async () => {
    const before = backend.memory().usedBytes;
    const onDevice = {
      query: { weight: backend.upload(arrayTensor(projections.query.weight), { purpose: 'linear-weight' }) },
      key: { weight: backend.upload(arrayTensor(projections.key.weight), { purpose: 'linear-weight' }) },
      value: { weight: backend.upload(arrayTensor(projections.value.weight), { purpose: 'linear-weight' }) },
      output: { weight: backend.upload(arrayTensor(projections.output.weight), { purpose: 'linear-weight' }) },
    };
    const layer = Object.fromEntries(
      Object.entries(onDevice).map(([name, { weight }]) => [
        name,
        { weight, bias: projections[name as 'query'].bias! },
      ]),
    ) as unknown as AttentionProjections;
    const own = backend.memory().usedBytes;
    const module = new FlashMLAAttention({ dim, heads, k, gate: new FixedGate(), crossover: 0 });
    module.attach({ backend, projections: layer, heads });
    const x = text(1, 19);
    const first = await numbers(module.forward(x));
    expect(largestDifference(first, naiveModule(x, undefined, listed(19)).output)).toBeLessThan(2e-5);
    module.detach();
    expect(backend.memory().usedBytes).toBe(own);
    module.attach({ backend, projections: layer });
    expect(await numbers(module.forward(x))).toEqual(first);
    module.dispose();
    expect(Object.values(onDevice).some(({ weight }) => weight.disposed)).toBe(false);
    for (const { weight } of Object.values(onDevice)) weight.dispose();
    await backend.synchronize();
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('refuses a layer it does not fit, naming both', async () => {
    const target = { backend, projections };
    const wide = new FlashMLAAttention({ dim: 48, heads: 3 });
    const misfit = await failureOf(() => wide.attach(target));
    expect(misfit.message).toBe(
      '[attention] FlashMLAAttention({ dim: 48, heads: 3 }) was given query.weight [24, 24]; expected [48, 48]. ' +
        "Make the module with the layer's own dim and heads.",
    );
    const otherHeads = await failureOf(() => new DenseAttention({ dim, heads: 2 }).attach({ ...target, heads: 3 }));
    expect(otherHeads.message).toContain('DenseAttention({ dim: 24, heads: 2 }) was given to a layer with 3 heads');
    const shortBias = { ...projections, value: { ...projections.value, bias: tensor(new Float32Array(8), [8]) } };
    const wrongBias = await failureOf(() => sparseModule().attach({ backend, projections: shortBias }));
    expect(wrongBias.message).toContain('value.bias [8]; expected [24]');
    const taken = sparseModule();
    taken.attach(target);
    expect((await failureOf(() => taken.attach(target))).message).toContain('already serves a layer');
    taken.dispose();
  });

  it('refuses inputs it can not use', async () => {
    using module = sparseModule();
    const wrongDim = await failureOf(module.forward(tensor(new Float32Array(32), [1, 4, 8])));
    expect(wrongDim.message).toContain('forward was given [1, 4, 8]; expected [batch, tokens, 24]');
    const wrongMask = await failureOf(module.forward(text(2, 5), { keyMask: tensor(new Uint8Array(5), [1, 5]) }));
    expect(wrongMask.message).toContain('keyMask is uint8 [1, 5]; expected uint8 [2, 5]');
    const gone = sparseModule();
    gone.dispose();
    expect((await failureOf(gone.forward(text(1, 5)))).code).toBe('disposed');
  });
});

const arrayTensor = (given: Tensor) => given as HostTensor;

describe('the gates of a module', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await selectBackend({ require: 'cpu', threads: 2 });
  });
  afterAll(() => backend.dispose());

  it.each(gateNames)('%s picks keys by name, and the statistics say how well', async (gate) => {
    using module = new FlashMLAAttention({
      dim,
      heads,
      backend,
      projections,
      k: 16,
      gate,
      crossover: 0,
      measureRecall: true,
    });
    using dense = new DenseAttention({ dim, heads, backend, projections });
    const x = text(2, 100);
    using output = await module.forward(x);
    using expected = await dense.forward(x);
    const [given, wanted] = [await output.data(), await expected.data()] as [Float32Array, Float32Array];
    const norm = (values: Float32Array) => Math.hypot(...values);
    const { recall, error, chosen, density } = module.statistics.last!;
    expect(chosen).toBe('sparse');
    expect(density).toBeGreaterThan(0);
    expect(recall).toBeGreaterThan(0.1);
    expect(recall).toBeLessThan(1);
    expect(norm(given.map((value, i) => value - wanted[i]!)) / norm(wanted)).toBeLessThan(1.5 * error!);
  });

  it('content fits itself on the first call, and concurrent first calls agree', async () => {
    using module = new FlashMLAAttention({ dim, heads, backend, projections, k: 8, shape: 'lists', crossover: 0 });
    expect(module.gate.needsFit).toBe(true);
    const x = text(1, 80);
    const outputs = await Promise.all([module.forward(x), module.forward(x), module.forward(x)]);
    expect(module.gate.needsFit).toBe(false);
    const [first, ...others] = await Promise.all(outputs.map((output) => output.data()));
    for (const other of others) expect(other).toEqual(first);
    for (const output of outputs) output.dispose();
  });

  it('of a module starts anew with the next layer; one of the caller stays', async () => {
    using own = new FlashMLAAttention({ dim, heads, k: 8 });
    const before = own.gate;
    own.attach({ backend, projections });
    expect(own.gate).toBe(before);
    own.detach();
    expect(own.gate).not.toBe(before);
    const gate = new FixedGate();
    using given = new FlashMLAAttention({ dim, heads, gate });
    given.attach({ backend, projections });
    given.detach();
    expect(given.gate).toBe(gate);
    expect(gate.disposals).toBe(0);
  });

  it('stay unfitted while the crossover is measured', async () => {
    using module = new FlashMLAAttention({ dim, heads, backend, projections, k: 8 });
    using output = await module.forward(text(1, 130));
    expect((await output.data()).length).toBe(130 * dim);
    expect(module.statistics.last!.why).toMatch(/^sparse measured \d+\.\d\d times as fast as dense at 128 tokens$/);
    expect(module.gate.needsFit).toBe(module.statistics.last!.chosen === 'dense');
  });
});

describe('a module on its own', () => {
  it('just works', async () => {
    using attention = new FlashMLAAttention({ dim: 768, heads: 12, k: 32 });
    const x = tensor(randomArray(2 * 40 * 768, 9), [2, 40, 768]);
    using output = await attention.forward(x);
    expect(output.shape).toEqual([2, 40, 768]);
    expect(((await output.data()) as Float32Array).every(Number.isFinite)).toBe(true);
  });

  it('refuses options that make no sense', async () => {
    const gate = new FixedGate();
    for (const [options, message] of [
      [{ dim: 10, heads: 3 }, 'dim is 10 and heads is 3; expected whole numbers ≥ 1, dim a multiple of heads'],
      [{ dim, heads, gate, k: 0 }, 'k is 0'],
      [{ dim, heads, gate, crossover: -1 }, 'crossover is -1'],
      [{ dim, heads, gate, shape: 'lists' }, "shape is 'lists' beside a gate that is not 'content'"],
      [{ dim, heads, block: 64 }, "block is 64 beside a gate that is not 'block'"],
      [{ dim, heads, gate: 'best' as 'content' }, "there is no gate 'best'"],
    ] as const) {
      expect((await failureOf(() => new FlashMLAAttention(options))).message).toContain(message);
    }
  });

  it('opens the best backend and shares it, and its output outlives it', async () => {
    const first = new FlashMLAAttention({ dim, heads, k, gate: new FixedGate(), crossover: 0 });
    const second = new DenseAttention({ dim, heads });
    const between = await first.forward(text(1, 19));
    const output = await second.forward(between);
    expect(output.backend).toBe(between.backend);
    expect(output.shape).toEqual([1, 19, dim]);
    first.dispose();
    second.dispose();
    expect(((await output.data()) as Float32Array).every(Number.isFinite)).toBe(true);
    between.dispose();
    output.dispose();
  });

  it('opens it once for concurrent first calls', async () => {
    using module = new DenseAttention({ dim, heads });
    const x = text(1, 9);
    const [a, b] = await Promise.all([module.forward(x), module.forward(x)]);
    expect(a.backend).toBe(b.backend);
    expect(await a.data()).toEqual(await b.data());
  });
});

describe('initial projections', () => {
  it('are those of torch.nn.MultiheadAttention: Xavier uniform, output ±1/√dim, no biases', () => {
    const { query, value, output } = initialProjections(64, 7);
    const spread = (given: Tensor) => arrayOf(given).reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const xavier = Math.sqrt(6 / (4 * 64));
    expect(spread(query.weight)).toBeGreaterThan(0.99 * xavier);
    expect(spread(query.weight)).toBeLessThanOrEqual(xavier);
    expect(spread(output.weight)).toBeGreaterThan(0.99 / 8);
    expect(spread(output.weight)).toBeLessThanOrEqual(1 / 8);
    const mean = arrayOf(value.weight).reduce((sum, weight) => sum + weight, 0) / 64 ** 2;
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(arrayOf(query.bias!).every((bias) => bias === 0)).toBe(true);
  });

  it('depend on the seed alone', () => {
    const weights = (seed: number) => arrayOf(initialProjections(16, seed).key.weight);
    expect(weights(3)).toEqual(weights(3));
    expect(weights(3)).not.toEqual(weights(4));
  });
});
