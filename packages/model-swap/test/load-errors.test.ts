import { type Backend, FlashMLAError, tensor } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { filesOf, folderOf, type TinyModel, tinyBert, tinyDistilbert, tinyRoberta } from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const text = (value: string) => new TextEncoder().encode(value);

/** Loads `files`, which must fail with a FlashMLAError whose message holds `message`, leaving no memory in use. */
async function expectRefused(files: Record<string, Uint8Array>, code: string, message: string): Promise<void> {
  const before = backend.memory().usedBytes;
  const error = await loadModel(files, { backend }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FlashMLAError);
  expect((error as FlashMLAError).message).toContain('[model-swap]');
  expect((error as FlashMLAError).message).toContain(message);
  expect((error as FlashMLAError).code).toBe(code);
  expect(backend.memory().usedBytes).toBe(before);
}

const without = (files: Record<string, Uint8Array>, name: string) =>
  Object.fromEntries(Object.entries(files).filter(([file]) => file !== name));

describe('a folder that lacks a file', () => {
  it.each(['config.json', 'tokenizer.json'])('%s', async (name) => {
    const message = `${name}: there is no such file in the given files`;
    await expectRefused(without(filesOf(tinyBert()), name), 'invalid-file', message);
  });

  it('weights', async () => {
    const files = without(filesOf(tinyBert()), 'model.safetensors');
    const message = 'model.safetensors: there is neither this file nor model.safetensors.index.json in the given files';
    await expectRefused(files, 'invalid-file', message);
    await expectRefused(
      { ...files, 'pytorch_model.bin': text('') },
      'invalid-file',
      'pytorch_model.bin is there: convert it',
    );
  });

  it('a folder that is not there at all, by its path', async () => {
    const folder = await folderOf({});
    await expect(loadModel(`${folder}/nothing`, { backend })).rejects.toThrow(
      `[model-swap] config.json: there is no such file in ${folder}/nothing; give a Hugging Face model folder.`,
    );
  });

  it('a shard', async () => {
    const files = without(filesOf(tinyBert()), 'model.safetensors');
    const names = [...tinyBert().tensors.keys()];
    const index = { weight_map: Object.fromEntries(names.map((name) => [name, 'part.safetensors'])) };
    await expect(
      loadModel({ ...files, 'model.safetensors.index.json': text(JSON.stringify(index)) }, { backend }),
    ).rejects.toThrow("shard 'part.safetensors'");
  });
});

describe('a file that can not be read', () => {
  it.each([
    ['config.json', '{"model_type": "bert"', 'config.json: the file in the given files is not JSON'],
    ['tokenizer.json', 'nothing', 'tokenizer.json: the file in the given files is not JSON'],
    ['tokenizer.json', '{"model": null}', "tokenizer.json: it can't be used"],
  ])('%s', async (name, content, message) => {
    await expectRefused({ ...filesOf(tinyBert()), [name]: text(content) }, 'invalid-file', message);
  });
});

describe('a config.json that is not supported or makes no sense', () => {
  const cases: [string, TinyModel, Record<string, unknown>, string, string][] = [
    [
      'architecture',
      tinyBert(),
      { model_type: 'gpt2' },
      'unsupported',
      'model_type is "gpt2"; supported: bert, distilbert, roberta, xlm-roberta.',
    ],
    ['no model_type', tinyBert(), { model_type: undefined }, 'unsupported', 'model_type is missing; supported: bert,'],
    ['inherited name', tinyBert(), { model_type: 'constructor' }, 'unsupported', 'model_type is "constructor"'],
    [
      'activation',
      tinyBert(),
      { hidden_act: 'silu' },
      'unsupported',
      'hidden_act is "silu"; supported: gelu, gelu_new, gelu_pytorch_tanh, relu.',
    ],
    ['activation', tinyDistilbert(), { activation: 'silu' }, 'unsupported', 'activation is "silu"'],
    [
      'positions',
      tinyBert(),
      { position_embedding_type: 'relative_key' },
      'unsupported',
      'position_embedding_type is "relative_key"; supported: "absolute".',
    ],
    ['decoder', tinyBert(), { is_decoder: true }, 'unsupported', 'is_decoder is true; supported: false.'],
    [
      'missing size',
      tinyBert(),
      { hidden_size: undefined },
      'invalid-file',
      'hidden_size is missing; expected a whole number ≥ 1',
    ],
    [
      'bad size',
      tinyBert(),
      { num_hidden_layers: 'two' },
      'invalid-file',
      'num_hidden_layers is "two"; expected a whole number ≥ 1',
    ],
    [
      'heads',
      tinyBert(),
      { num_attention_heads: 5 },
      'invalid-file',
      "a width of 24 can't be split into 5 attention heads",
    ],
    ['epsilon', tinyBert(), { layer_norm_eps: 0 }, 'invalid-file', 'layer_norm_eps is 0; expected a number > 0'],
    ['labels', tinyBert(), { id2label: ['no', 'yes'] }, 'invalid-file', 'id2label is ["no","yes"]'],
    [
      'positions after padding',
      tinyRoberta(),
      { max_position_embeddings: 2 },
      'invalid-file',
      'max_position_embeddings is 2',
    ],
  ];
  it.each(cases)('%s', async (_, model, change, code, message) => {
    await expectRefused(filesOf({ ...model, config: { ...model.config, ...change } }), code, message);
  });
});

describe('weights that are not those of config.json', () => {
  it('a missing tensor', async () => {
    const model = tinyBert();
    model.tensors.delete('bert.encoder.layer.1.attention.self.key.weight');
    const message =
      "model.safetensors: tensor 'bert.encoder.layer.1.attention.self.key.weight' [24, 24] is missing " +
      "(nor is there 'encoder.layer.1.attention.self.key.weight')";
    await expectRefused(filesOf(model), 'invalid-file', message);
  });

  it('a missing head', async () => {
    const model = tinyRoberta();
    model.tensors.delete('classifier.out_proj.weight');
    await expectRefused(filesOf(model), 'invalid-file', "tensor 'classifier.out_proj.weight' [3, 24] is missing");
  });

  it('a misshapen tensor', async () => {
    const model = tinyDistilbert();
    model.tensors.set('distilbert.transformer.layer.0.ffn.lin1.weight', tensor(new Float32Array(24 * 41), [41, 24]));
    const message =
      "model.safetensors: tensor 'distilbert.transformer.layer.0.ffn.lin1.weight' has the shape [41, 24], " +
      'but config.json makes it [40, 24]';
    await expectRefused(filesOf(model), 'invalid-file', message);
  });

  it('another number of labels', async () => {
    const model = tinyBert();
    model.config.id2label = { 0: 'no', 1: 'yes' };
    await expectRefused(
      filesOf(model),
      'invalid-file',
      "tensor 'classifier.weight' has the shape [3, 24], but config.json makes it [2, 24]",
    );
  });

  it('a tensor of whole numbers', async () => {
    const model = tinyBert();
    model.tensors.set('classifier.bias', tensor(new Int8Array(3), [3]));
    await expectRefused(
      filesOf(model),
      'unsupported',
      "tensor 'classifier.bias' is int8; supported: float32, float16,",
    );
  });

  it('truncated weights', async () => {
    const files = filesOf(tinyBert());
    const cut = { ...files, 'model.safetensors': files['model.safetensors']!.subarray(0, 5000) };
    await expect(loadModel(cut, { backend })).rejects.toThrow(FlashMLAError);
  });
});

describe('loadModel', () => {
  it('refuses what is no backend and what is no file', async () => {
    await expect(loadModel(filesOf(tinyBert()), { backend: 'cpu' as never })).rejects.toThrow(
      "[model-swap] backend is the string 'cpu'; expected an open one, as selectBackend() gives, or how to choose one, such as { require: 'cpu' }.",
    );
    for (const meant of [null, Promise.resolve(backend), { name: 'cpu', open() {} }]) {
      await expect(loadModel(filesOf(tinyBert()), { backend: meant as never })).rejects.toThrow(
        /^\[model-swap\] backend is .*; expected an open one/,
      );
    }
    await expect(loadModel({ 'config.json': '{}' as never }, { backend })).rejects.toThrow(
      "the file config.json is the string '{}'; expected a Uint8Array, a Blob, a URL or { byteLength, read }",
    );
  });

  it('chooses a backend as it is told, for the precision of the model, and ends it with the model', async () => {
    await using model = await loadModel(filesOf(tinyBert()), {
      backend: { require: 'cpu', threads: 1 },
      dtype: 'int8',
    });
    expect(model.backend.name).toBe('cpu');
    expect(model.backend.device.description).toMatch(/^1 thread,/);
    await model.dispose();
    await expect(model.backend.prepare({ op: 'add', elements: 1 })).rejects.toThrow('the backend was disposed');
  });

  it('refuses heads that the backend does not take, before it uploads a weight', async () => {
    const model = tinyBert();
    const files = filesOf({ ...model, config: { ...model.config, num_attention_heads: 4 } });
    await expectRefused(files, 'unsupported', "the model's 4 heads have 6 features each, and cpu refuses:");
  });

  it('stops when its signal aborts, and gives back what it had loaded', async () => {
    const before = backend.memory().usedBytes;
    const abort = new AbortController();
    const reason = new Error('enough');
    let calls = 0;
    const progress = () => {
      calls++;
      if (calls === 5) abort.abort(reason);
    };
    await expect(loadModel(filesOf(tinyBert()), { backend, signal: abort.signal, progress })).rejects.toBe(reason);
    expect(calls).toBe(5);
    expect(backend.memory().usedBytes).toBe(before);
  });

  it('reports its progress in bytes', async () => {
    const seen: number[] = [];
    const files = filesOf(tinyBert());
    const model = await loadModel(files, {
      backend,
      progress: ({ task, done, total }) => {
        expect(task).toBe('load');
        seen.push(done / total);
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
    await model.dispose();
  });
});
