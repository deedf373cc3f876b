import { type Backend, type HostTensor, OutOfMemoryError } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, type RunResult, readModel, swapAttention } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, SIZES, tinyBert, tinyRoberta } from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const load = () => loadModel(filesOf(tinyBert()), { backend });

const TEXTS = [
  'good',
  'the film was very very bad and not good',
  'a film',
  '',
  'good',
  'the film was very bad and not good at all',
];

/** The largest difference of two tensors of one shape. */
function distance(a: HostTensor, b: HostTensor): number {
  expect(a.shape).toEqual(b.shape);
  return (a.array as Float32Array).reduce((most, value, i) => Math.max(most, Math.abs(value - Number(b.array[i]))), 0);
}

describe('EncoderModel.run', () => {
  it('gives a text the same answer alone and in a batch, in the order of the texts', async () => {
    const model = await load();
    const together = await model.run(TEXTS);
    const [, longest, modelDim] = together.lastHiddenState.shape as [number, number, number];
    for (const [index, text] of TEXTS.entries()) {
      const alone = await model.run(text);
      expect(alone.tokens).toEqual([together.tokens[index]]);
      expect(alone.labels).toEqual([together.labels![index]]);
      const pairs = [
        [alone.lastHiddenState, together.lastHiddenState, longest * modelDim],
        [alone.pooled!, together.pooled!, modelDim],
        [alone.logits!, together.logits!, 3],
      ] as const;
      for (const [one, all, stride] of pairs) {
        one.array.forEach((value, i) => {
          expect(all.array[index * stride + i]).toBeCloseTo(Number(value), 5);
        });
      }
    }
    await model.dispose();
  });

  it.each(['dense', 'sparse'])(
    'gives the same without padding, where the backend has views, as with: %s',
    async (kind) => {
      const model = await load();
      if (kind === 'sparse') swapAttention(model, { k: 2, crossover: 0 });
      // Gates fit themselves in a first run, text by text.
      await model.run(TEXTS);
      const seen: (boolean | undefined)[] = [];
      const forward = model.encoder.forward.bind(model.encoder);
      model.encoder.forward = (work, texts, options) => {
        seen.push(options?.packed);
        return forward(work, texts, options);
      };
      const packed = [await model.run(TEXTS), await model.run(TEXTS, { hidden: false })];
      expect(seen).toEqual([true, true]);
      model.encoder.packs = () => false;
      const padded = [await model.run(TEXTS), await model.run(TEXTS, { hidden: false })];
      expect(new Set(seen.slice(2))).toEqual(new Set([false]));
      for (const [i, { logits, pooled }] of packed.entries()) {
        expect(distance(logits!, padded[i]!.logits!)).toBeLessThan(1e-5);
        expect(distance(pooled!, padded[i]!.pooled!)).toBeLessThan(1e-5);
      }
      const [hidden, expected] = [packed[0]!, padded[0]!].map((result) => (result as RunResult).lastHiddenState);
      expect(distance(hidden!, expected!)).toBeLessThan(1e-5);
      await model.dispose();
    },
  );

  it('leaves the hidden states out when they are not wanted, with the same logits', async () => {
    const model = await load();
    const full = await model.run(TEXTS);
    const lean = await model.run(TEXTS, { hidden: false });
    expect(lean).not.toHaveProperty('lastHiddenState');
    full.logits!.array.forEach((value, i) => {
      expect(lean.logits!.array[i]).toBeCloseTo(Number(value), 5);
    });
    expect(lean.labels).toEqual(full.labels);
    await model.dispose();
  });

  it('runs what it encoded before, and with the attention that it is told to', async () => {
    const model = await load();
    const { logits: plain } = await model.run(TEXTS);
    const { logits: encoded } = await model.run(model.encode(TEXTS));
    expect(encoded!.array).toEqual(plain!.array);
    swapAttention(model, { k: 2, crossover: 0 });
    const { logits: sparse } = await model.run(TEXTS);
    expect(sparse!.array).not.toEqual(plain!.array);
    const { logits: dense } = await model.run(TEXTS, { attention: (layer) => layer.dense });
    expect(dense!.array).toEqual(plain!.array);
    await model.dispose();
  });

  it('gives sizes and weights by their parts, of any family', async () => {
    const tiny = tinyBert();
    const { architecture, parts } = await readModel(filesOf(tiny));
    expect(architecture).toMatchObject({ modelType: 'bert', modelDim: SIZES.modelDim, heads: SIZES.heads });
    expect(parts.layers).toHaveLength(SIZES.layers);
    expect(parts.layers[1]!.contract.weight).toEqual(tiny.tensors.get('bert.encoder.layer.1.output.dense.weight'));
    expect(parts.head!.output.bias).toEqual(tiny.tensors.get('classifier.bias'));
    const { parts: roberta } = await readModel(filesOf(tinyRoberta()));
    expect(roberta.head!.hidden!.weight.shape).toEqual([SIZES.modelDim, SIZES.modelDim]);
  });

  it('cuts long texts to what the model takes and says which', async () => {
    const model = await load();
    const { tokens, truncated } = await model.run(['good '.repeat(100), 'good']);
    expect(tokens).toEqual([48, 3]);
    expect(truncated).toEqual([true, false]);
    await model.dispose();
    const roberta = await loadModel(filesOf(tinyRoberta()), { backend });
    expect((await roberta.run('x'.repeat(100))).tokens).toEqual([46]);
    await roberta.dispose();
  });

  it('runs no texts at all', async () => {
    const model = await load();
    const { lastHiddenState, logits, labels, tokens } = await model.run([]);
    expect([lastHiddenState.shape, logits!.shape, labels, tokens]).toEqual([[0, 0, 24], [0, 3], [], []]);
    await model.dispose();
  });

  it('refuses what is not a text', async () => {
    const model = await load();
    await expect(model.run(undefined as never)).rejects.toThrow('[model-swap] expected a text, or a list of texts');
    await expect(model.run([1] as never)).rejects.toThrow('a text is a number');
    await model.dispose();
  });

  it('leaves the event loop its turns while it reads many texts', async () => {
    const model = await load();
    const texts = Array.from({ length: 5000 }, (_, i) =>
      `the film was very ${i % 2 === 0 ? 'good' : 'bad'}, `.repeat(i % 9),
    );
    const abort = new AbortController();
    let turns = 0;
    const timer = setInterval(() => ++turns === 3 && abort.abort(new Error('enough')), 1);
    await expect(model.run(texts, { signal: abort.signal })).rejects.toThrow('enough');
    clearInterval(timer);
    await model.dispose();
  });

  it('reports its progress layer by layer', async () => {
    const model = await load();
    const seen: number[] = [];
    await model.run(TEXTS, { progress: ({ done, total }) => seen.push(done / total) });
    expect(seen.length).toBeGreaterThan(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
    await model.dispose();
  });

  it('runs several calls at once', async () => {
    const model = await load();
    const alone = await model.run(TEXTS);
    const both = await Promise.all([model.run(TEXTS), model.run(TEXTS)]);
    for (const { logits } of both) expect(logits!.array).toEqual(alone.logits!.array);
    await model.dispose();
  });
});

describe('stopping and cleaning up', () => {
  it('stops between steps when the signal aborts, and leaves nothing behind', async () => {
    const model = await load();
    const before = backend.memory().usedBytes;
    const abort = new AbortController();
    const reason = new Error('enough');
    const layers: number[] = [];
    const progress = ({ done }: { done: number }) => {
      layers.push(done);
      abort.abort(reason);
    };
    await expect(model.run(TEXTS, { signal: abort.signal, progress })).rejects.toBe(reason);
    expect(layers).toHaveLength(1);
    await expect(model.run(TEXTS, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const late = new AbortController();
    const running = model.run(TEXTS, { signal: late.signal });
    late.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(backend.memory().usedBytes).toBe(before);
    expect((await model.run('good')).tokens).toEqual([3]);
    await model.dispose();
  });

  it('gives all memory back after runs, and with the model', async () => {
    const before = backend.memory().usedBytes;
    const model = await load();
    const loaded = backend.memory().usedBytes;
    expect(loaded).toBeGreaterThan(before);
    await model.run(TEXTS);
    expect(backend.memory().usedBytes).toBe(loaded);
    await model.dispose();
    await model.dispose();
    expect(backend.memory().usedBytes).toBe(before);
    await expect(model.run('good')).rejects.toThrow('[model-swap] the model was disposed');
  });

  it('ends the backend that it opened itself', async () => {
    const model = await loadModel(filesOf(tinyBert()));
    expect(model.backend).not.toBe(backend);
    expect((await model.run('good')).tokens).toEqual([3]);
    await model.dispose();
    expect(() => model.backend.allocate([1], 'float32')).toThrow('disposed');
  });

  it('gives everything back when memory runs out', async () => {
    const model = await load();
    const before = backend.memory().usedBytes;
    const allocate = backend.allocate.bind(backend);
    let left = 12;
    backend.allocate = (shape, dtype) => {
      if (left-- <= 0) throw new OutOfMemoryError('test', 1, 1, 1);
      return allocate(shape, dtype);
    };
    await expect(model.run(TEXTS)).rejects.toThrow(OutOfMemoryError);
    backend.allocate = allocate;
    expect(backend.memory().usedBytes).toBe(before);
    expect((await model.run('good')).tokens).toEqual([3]);
    await model.dispose();
  });
});
