import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadModel } from '@flashmla/model-swap';
import { decodeSafetensors, safetensorsMetadata } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { wordPieceTokenizer } from '../../model-swap/test/support/tiny-tokenizers.ts';
import { train } from '../src/commands/train.ts';
import { ProgressLine } from '../src/progress.ts';
import type { TrainingReport } from '../src/train/run-training.ts';
import { failureOf, flashmla, flashmlaJson, slow, useFolder } from './support/cli.ts';

const folder = useFolder();
const at = (...path: string[]) => join(folder.path(), ...path);
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Texts that one word decides, at any place. */
const rows = Array.from({ length: 48 }, (_, row) => {
  const words = Array.from(
    { length: 5 + (row % 7) },
    (_, word) => ['the', 'film', 'was', 'a', 'very'][(row * word) % 5]!,
  );
  words.splice(row % words.length, 0, row % 2 === 1 ? 'good' : 'bad');
  return { text: words.join(' '), label: row % 2 };
});

/** config.json of a model for these, without its vocabulary, which is the tokenizer's. */
const model = {
  ...{ model_type: 'bert', hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64 },
  ...{ max_position_embeddings: 32, type_vocab_size: 2 },
};
const training = { epochs: 4, batchTokens: 128, learningRate: 3e-3, dropout: 0, seed: 1 };
const fromScratch = {
  ...{ head: 'sequence-classification', model, tokenizer: 'tokenizer.json', labels: ['negative', 'positive'] },
  ...{ data: [{ file: 'rows.jsonl' }], training, out: 'scratch' },
};

/** A tokenizer with a mask. */
function tokenizer() {
  const json = wordPieceTokenizer();
  const id = Object.keys(json.model.vocab).length;
  const mask = { ...json.added_tokens[0]!, id, content: '[MASK]' };
  return {
    ...json,
    added_tokens: [...json.added_tokens, mask],
    model: { ...json.model, vocab: { ...json.model.vocab, '[MASK]': id } },
  };
}

/** Writes what a config refers to, and the config. */
async function configOf(config: object, files: Readonly<Record<string, string>> = {}): Promise<string> {
  await folder.write('tokenizer.json', JSON.stringify(tokenizer()));
  await folder.write('rows.jsonl', lines(rows));
  for (const [name, text] of Object.entries(files)) await folder.write(name, text);
  return folder.write('train.json', JSON.stringify(config));
}

const trainWith = async (config: object, files: Readonly<Record<string, string>> = {}, ...args: string[]) =>
  flashmlaJson<TrainingReport & { backend: string }>('train', '--config', await configOf(config, files), ...args);

const failure = async (config: object, files: Readonly<Record<string, string>> = {}) =>
  failureOf('train', '--config', await configOf(config, files));

const weightsOf = async (name: string) => new Uint8Array(await readFile(at(name, 'model.safetensors')));
const jsonOf = async (...path: string[]) => JSON.parse(await readFile(at(...path), 'utf8'));

describe('flashmla train', slow, () => {
  it('trains a classifier from scratch, which loadModel then has, and fine-tunes it to other labels', async () => {
    const enough = { ...training, epochs: 12 };
    const validated = {
      ...fromScratch,
      training: enough,
      validation: [{ file: 'rows.jsonl', limit: 16, maxTokens: 12 }],
    };
    const report = await trainWith(validated);
    const counts = { examples: 48, truncated: 0, skipped: [], fresh: null, resumedAt: 0, gates: [] };
    expect(report).toMatchObject({ head: 'sequence-classification', out: at('scratch'), ...counts });
    expect(report.epochs).toHaveLength(12);
    expect(report.epochs.at(-1)!.loss).toBeLessThan(report.epochs[0]!.loss);
    expect(report.epochs.at(-1)!.validation!.dense.accuracy).toBe(1);
    const written = ['config.json', 'model.safetensors', 'tokenizer.json', 'training.json'];
    expect((await readdir(at('scratch'))).sort()).toEqual(written);
    {
      await using loaded = await loadModel(at('scratch'));
      const { labels } = await loaded.run(rows.map(({ text }) => text));
      expect(labels).toEqual(rows.map(({ label }) => ['negative', 'positive'][label]));
    }
    const told = await jsonOf('scratch', 'training.json');
    expect(told).toMatchObject({
      config: validated,
      report: { steps: report.steps },
      machine: { backend: report.backend },
    });

    const tuned = {
      head: 'sequence-classification',
      from: 'scratch',
      labels: ['score'],
      out: 'tuned',
      dtype: 'float16',
    };
    const scores = rows.map(({ text, label }) => ({ text, score: label }));
    const scored = await trainWith(
      { ...tuned, data: [{ file: 'scores.jsonl' }], training: { ...training, epochs: 2 } },
      { 'scores.jsonl': lines(scores) },
    );
    expect(scored.fresh).toEqual(['classifier.weight', 'classifier.bias']);
    const config = await jsonOf('tuned', 'config.json');
    const named = {
      id2label: { 0: 'score' },
      label2id: { score: 0 },
      problem_type: 'regression',
      torch_dtype: 'float16',
    };
    expect(config).toMatchObject({ architectures: ['BertForSequenceClassification'], hidden_size: 32, ...named });
    const tensors = decodeSafetensors(await weightsOf('tuned'), 'model.safetensors');
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['float16']));
    await using loaded = await loadModel(at('tuned'));
    const { logits } = await loaded.run(rows.slice(0, 2).map(({ text }) => text));
    expect(logits!.shape).toEqual([2, 1]);
    expect(logits!.array[1]!).toBeGreaterThan(Number(logits!.array[0]!) + 0.3);
  });

  it('writes what transformers reads as BertForSequenceClassification', async () => {
    await trainWith({ ...fromScratch, training: { steps: 1 }, out: 'names' });
    const bytes = await weightsOf('names');
    expect(safetensorsMetadata(bytes, 'model.safetensors')).toEqual({ format: 'pt' });
    const shapes = Object.fromEntries([...decodeSafetensors(bytes, '')].map(([name, { shape }]) => [name, shape]));
    const layer = (index: number) => {
      const inner = `bert.encoder.layer.${index}`;
      const linear = (name: string, rows: number, columns: number) => ({
        ...{ [`${inner}.${name}.weight`]: [rows, columns], [`${inner}.${name}.bias`]: [rows] },
      });
      const norm = (name: string) => ({ [`${inner}.${name}.weight`]: [32], [`${inner}.${name}.bias`]: [32] });
      return {
        ...{ ...linear('attention.self.query', 32, 32), ...linear('attention.self.key', 32, 32) },
        ...{ ...linear('attention.self.value', 32, 32), ...linear('attention.output.dense', 32, 32) },
        ...{ ...norm('attention.output.LayerNorm'), ...linear('intermediate.dense', 64, 32) },
        ...{ ...linear('output.dense', 32, 64), ...norm('output.LayerNorm') },
      };
    };
    const vocabulary = Object.keys(tokenizer().model.vocab).length;
    expect(shapes).toEqual({
      'bert.embeddings.word_embeddings.weight': [vocabulary, 32],
      'bert.embeddings.position_embeddings.weight': [32, 32],
      'bert.embeddings.token_type_embeddings.weight': [2, 32],
      ...{ 'bert.embeddings.LayerNorm.weight': [32], 'bert.embeddings.LayerNorm.bias': [32] },
      ...{ ...layer(0), ...layer(1) },
      ...{ 'bert.pooler.dense.weight': [32, 32], 'bert.pooler.dense.bias': [32] },
      ...{ 'classifier.weight': [2, 32], 'classifier.bias': [2] },
    });
    const { architectures, vocab_size, model_type } = await jsonOf('names', 'config.json');
    expect({ architectures, vocab_size, model_type }).toEqual({
      ...{ architectures: ['BertForSequenceClassification'], vocab_size: vocabulary, model_type: 'bert' },
    });
  });

  it('trains a masked language model, and a classifier from it', async () => {
    const { labels: _, ...unlabelled } = fromScratch;
    const masked = {
      ...unlabelled,
      head: 'masked-language-model',
      out: 'masked',
      validation: [{ file: 'rows.jsonl' }],
    };
    const { epochs } = await trainWith(masked);
    expect(epochs.at(-1)!.validation!.dense.loss).toBeLessThan(epochs[0]!.validation!.dense.loss);
    expect((await jsonOf('masked', 'config.json')).architectures).toEqual(['BertForMaskedLM']);
    const { fresh } = await trainWith({
      ...{ head: 'sequence-classification', from: 'masked', labels: ['no', 'yes'], data: [{ file: 'rows.jsonl' }] },
      ...{ training: { steps: 1 }, out: 'answers' },
    });
    const head = ['bert.pooler.dense.weight', 'bert.pooler.dense.bias', 'classifier.weight', 'classifier.bias'];
    expect(fresh).toEqual(head);
    await using loaded = await loadModel(at('answers'));
    expect(['no', 'yes']).toContain((await loaded.run('the film')).labels![0]);
  });

  it('trains on the words of a text, a label for each', async () => {
    const words = rows.map(({ text }) => {
      const tokens = text.replace('good', 'goodly').split(' ');
      return { tokens, labels: tokens.map((token) => (['goodly', 'bad'].includes(token) ? 'opinion' : 0)) };
    });
    const tagging = { ...fromScratch, head: 'token-classification', labels: ['none', 'opinion'], out: 'tagger' };
    const files = { 'words.jsonl': lines(words) };
    const source = [{ file: 'words.jsonl' }];
    const { epochs } = await trainWith({ ...tagging, data: source, validation: source }, files);
    expect(epochs.at(-1)!.validation!.dense.accuracy).toBe(1);
    const bad = lines([words[0]!, { tokens: ['a', 'b'], labels: [0] }]);
    expect(await failure({ ...tagging, data: source }, { 'words.jsonl': bad })).toMatch(
      /words\.jsonl:2 has no labelled words \(its fields: tokens, a list of 2; labels, a list of 1\)/,
    );
  });

  it('trains on sequences of associative recall through sparse attention, and keeps the gates', async () => {
    const associativeRecall = { tokens: 32, pairs: 8, queries: 4, keys: 16, values: 4 };
    const config = {
      ...{ head: 'token-classification', model: { ...model, type_vocab_size: undefined }, out: 'recall' },
      ...{ data: { associativeRecall, examples: 16 }, validation: { associativeRecall, examples: 8 } },
      training: { ...training, epochs: 2, sparse: { k: 8, learnEvery: 2 } },
    };
    const { epochs, gates } = await trainWith(config);
    expect(gates).toEqual([0, 1]);
    for (const { validation } of epochs) expect(Object.keys(validation!)).toEqual(['dense', 'sparse']);
    expect((await readdir(at('recall'))).filter((name) => /gates|unfinished/.test(name)).sort()).toEqual([
      ...['gates.json', 'gates.safetensors'],
    ]);
    await using loaded = await loadModel(at('recall'));
    expect([...loaded.gates.values()].map(({ gate }) => gate)).toEqual(['content', 'content']);
    // Without gates, those of the model before do not stay.
    await trainWith({ ...config, training: { steps: 1 } });
    expect((await readdir(at('recall'))).filter((name) => /gates/.test(name))).toEqual([]);
  });

  it.each(['content', 'slot', 'block'])(
    'goes on after an interruption to the same bytes, with the %s gate',
    async (gate) => {
      const halves = `halves-${gate}`;
      const sparse = { gate, k: 8, after: 0.3, learnEvery: 4 };
      const config = {
        ...{ ...fromScratch, data: [{ file: 'rows.jsonl' }], validation: [{ file: 'rows.jsonl', limit: 8 }] },
        training: { ...training, epochs: 2, dropout: 0.1, randomOffsets: 0.3, sparse },
      };
      const whole = await trainWith({ ...config, out: `whole-${gate}` }, {}, '--backend', 'cpu');
      for (const last of [2, 5]) {
        const stop = new AbortController();
        const file = await configOf({ ...config, out: halves });
        const context = { signal: stop.signal, progress: new Watched(`step ${last} `, () => stop.abort()) };
        await expect(train.run({ config: file, backend: 'cpu' }, context, '')).rejects.toMatchObject({
          name: 'AbortError',
        });
        expect(await readdir(at(halves))).toEqual(['training.unfinished.safetensors']);
      }
      const { resumedAt, epochs } = await trainWith({ ...config, out: halves }, {}, '--backend', 'cpu');
      expect(resumedAt).toBe(5);
      expect(epochs).toEqual(whole.epochs);
      for (const name of ['model.safetensors', 'gates.safetensors']) {
        expect(await readFile(at(halves, name))).toEqual(await readFile(at(`whole-${gate}`, name)));
      }
      expect(await readdir(at(halves))).not.toContain('training.unfinished.safetensors');
    },
  );

  it('does not go on with another training', async () => {
    const stop = new AbortController();
    const file = await configOf({ ...fromScratch, out: 'other' });
    const context = { signal: stop.signal, progress: new Watched('step 1 ', () => stop.abort()) };
    await expect(train.run({ config: file }, context, '')).rejects.toMatchObject({ name: 'AbortError' });
    const other = lines(rows.map((row) => ({ ...row, label: 1 - row.label })));
    expect(await failure({ ...fromScratch, out: 'other' }, { 'rows.jsonl': other })).toMatch(
      /the checkpoint is of a training with another model, other examples or other options/,
    );
  });

  it('names a bad row and writes nothing, unless bad rows are to be skipped', async () => {
    const bad = `${lines(rows)}{"text":"x"}\nnot a row\n\n{"text":"x","label":"maybe"}\n`;
    const config = { ...fromScratch, data: [{ file: 'bad.jsonl' }], training: { steps: 1 }, out: 'skipped' };
    expect(await failure(config, { 'bad.jsonl': `${lines(rows)}{"text":"x"}\n` })).toMatch(
      /bad\.jsonl:49: label is und/,
    );
    expect(await failure(config, { 'bad.jsonl': bad })).toMatch(/bad\.jsonl:50 is not JSON/);
    expect(await readdir(folder.path())).not.toContain('skipped');
    const { examples, skipped } = await trainWith(config, { 'bad.jsonl': bad }, '--skip-bad-rows');
    expect(examples).toBe(48);
    expect(skipped.map((message) => message.replace(/.*bad\.jsonl:/, '').slice(0, 12))).toEqual([
      ...['50 is not JS', '49: label is', '52: label is'],
    ]);
    expect((await flashmla('train', '--config', at('train.json'), '--skip-bad-rows')).stdout).toMatch(
      /^1 steps on \w+, all in \d+ s; the model is in .*skipped\n48 examples an epoch\n3 rows left out, the first: .*bad\.jsonl:50/,
    );
    const { labels: _, ...unlabelled } = config;
    const masked = { ...unlabelled, head: 'masked-language-model', data: [{ file: 'empty.jsonl' }] };
    expect(await failure(masked, { 'empty.jsonl': '{"text":"a film"}\n{"text":""}\n' })).toMatch(
      /empty\.jsonl:2 has no words to hide/,
    );
  });

  it.each([
    [
      'an unknown field',
      { heads: 1 },
      /train\.json: heads is no field that is known here; there are data, dtype, from, head/,
    ],
    [
      'an unknown field of training',
      { training: { epoch: 1 } },
      /train\.json: training\.epoch is no field .* activations/,
    ],
    ['no head', { head: undefined }, /train\.json: head is missing; expected one of sequence-classification, token-/],
    ['a head that is none', { head: 'qa' }, /train\.json: head is the string 'qa'; expected one of/],
    ['two starts', { from: 'x' }, /train\.json: model is a plain object; expected one of both/],
    ['no start', { model: undefined }, /train\.json: from is missing; expected one of both/],
    ['no tokenizer', { tokenizer: undefined }, /train\.json: tokenizer is missing; expected a new model's tokenizer/],
    ['no labels', { labels: undefined }, /train\.json: labels is missing; expected the labels' names/],
    ['a label twice', { labels: ['a', 'a'] }, /train\.json: labels is a list of 2; expected a list of different texts/],
    ['no data', { data: [] }, /train\.json: data is a list of 0; expected a list of at least one object/],
    ['a limit that is none', { data: [{ file: 'x', limit: 0 }] }, /train\.json: data\[0\]\.limit is the number 0; exp/],
    ['sequences for texts', { validation: { examples: 1 } }, /train\.json: validation\.associativeRecall is missing/],
    ['an option that makes no sense', { training: { warmUp: 2 } }, /warmUp is the number 2; expected a number from 0/],
    ['one of sparse training', { training: { sparse: { k: 0 } } }, /sparse\.k is the number 0; expected a whole numb/],
    ['a gate that does not learn', { training: { sparse: { gate: 'oracle' } } }, /sparse\.gate is 'oracle', which has/],
    [
      'a text for a number',
      { training: { epochs: '2' } },
      /train\.json: training\.epochs is the string '2'; expected a/,
    ],
    [
      'a dtype that is none',
      { dtype: 'int8' },
      /train\.json: dtype is the string 'int8'; expected one of float32, float16/,
    ],
    ['nowhere to write to', { out: undefined }, /train\.json: out is missing/],
    ['a model that is none', { model: { model_type: 'gpt2' } }, /model_type is "gpt2"; supported: bert, distilbert/],
    [
      'a file that is not there',
      { data: [{ file: 'none.jsonl' }] },
      /none\.jsonl can't be read: there is no such file/,
    ],
  ])('refuses a config with %s', async (_, wrong, line) => {
    expect(await failure({ ...fromScratch, ...wrong, out: 'out' in wrong ? wrong.out : 'refused' })).toMatch(line);
    expect(await readdir(folder.path())).not.toContain('refused');
  });

  it('wants a config, and a backend that can train', async () => {
    expect(await failureOf('train')).toMatch(/--config is missing/);
    expect(await failureOf('train', '--config', at('none.json'))).toMatch(/none\.json can't be read as JSON: ENOENT/);
    const { stdout } = await flashmla('train', '--help');
    expect(stdout).toMatch(/goes on from that when it is run again/);
  });
});

/** Calls back when progress says `mark`. */
class Watched extends ProgressLine {
  readonly #mark: string;
  readonly #seen: () => void;

  constructor(mark: string, seen: () => void) {
    super(process.stderr);
    this.#mark = mark;
    this.#seen = seen;
  }

  override update(_done: number, detail = ''): void {
    if (detail.startsWith(this.#mark)) this.#seen();
  }
}
