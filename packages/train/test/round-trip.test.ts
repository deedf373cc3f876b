import { loadModel } from '@flashmla/model-swap';
import { randomSource } from '@flashmla/tensor';
import { describe, expect, it } from 'vitest';
import { vocabularySize, withMask, wordPieceTokenizer } from '../../model-swap/test/support/tiny-tokenizers.ts';
import type { Example } from '../src/example.ts';
import type { Head } from '../src/heads/head.ts';
import { maskedLanguageModel } from '../src/heads/masked-language-model.ts';
import { sequenceClassification } from '../src/heads/sequence-classification.ts';
import { tokenClassification } from '../src/heads/token-classification.ts';
import { TrainableModel } from '../src/model.ts';
import { train } from '../src/train.ts';
import { Trainer } from '../src/trainer.ts';
import { openBackend } from './tiny.ts';

const backend = openBackend();

const tokenizer = withMask(wordPieceTokenizer());
const vocab_size = vocabularySize(tokenizer);
const mask = tokenizer.model.vocab['[MASK]']!;

const bert = {
  ...{ hidden_size: 32, num_attention_heads: 2, intermediate_size: 48, num_hidden_layers: 2 },
  ...{ max_position_embeddings: 64, hidden_act: 'gelu' },
};
const families: Readonly<Record<string, object>> = {
  bert: { ...bert, type_vocab_size: 2 },
  roberta: { ...bert, type_vocab_size: 1, pad_token_id: 1 },
  'xlm-roberta': { ...bert, type_vocab_size: 1, pad_token_id: 1 },
  distilbert: { dim: 32, n_heads: 2, hidden_dim: 48, n_layers: 2, max_position_embeddings: 64, activation: 'gelu' },
};

const random = randomSource(3);
const texts = Array.from({ length: 6 }, (_, text): Example => {
  const ids = Int32Array.from({ length: 4 + 3 * text }, () => 4 + Math.floor(random() * (vocab_size - 4)));
  return { ids, types: new Int32Array(ids.length) };
});

const heads: readonly (readonly [Head, labels: readonly string[], target: (text: Example) => Example['target']])[] = [
  [sequenceClassification, ['low', 'middle', 'high'], ({ ids }) => ids[0]! % 3],
  [sequenceClassification, ['score'], ({ ids }) => ids[0]! / 8],
  [tokenClassification, ['even', 'odd'], ({ ids }) => ids.map((id) => id % 2)],
  [maskedLanguageModel({ maskToken: mask, specialTokens: [0, 2, 3] }), ['unused'], () => undefined],
];

const cases = Object.keys(families).flatMap((family) =>
  heads.map((head) => [`${family}, ${head[0].name}, ${head[1].length}`, family, ...head] as const),
);

describe('what was trained', () => {
  it.each(cases)('loadModel runs to the same logits: %s', async (_, family, head, labels, targetOf) => {
    const examples = texts.map((text) => ({ ...text, target: targetOf(text)! }));
    using model = await TrainableModel.open({
      ...{ backend: backend.current, head },
      config: { model_type: family, vocab_size, ...families[family], id2label: { ...labels } },
    });
    await train(model, examples, { steps: 2, learningRate: 1e-2 });
    const seed = 7;
    using trainer = new Trainer(model, {
      ...{ dropout: 0, maxNorm: 1, activations: 'float32', randomOffsets: 0, seed },
      optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    });
    const { logits } = await trainer.evaluate(examples);
    const { texts: shown, rows } = head.batch(examples, model.architecture, randomSource(seed));
    const json = (value: object) => new TextEncoder().encode(JSON.stringify(value));
    await using loaded = await loadModel(
      {
        'config.json': json(model.config),
        'tokenizer.json': json(tokenizer),
        'model.safetensors': await model.weights(),
      },
      { backend: backend.current },
    );
    expect(loaded.head).toBe(head.name);
    const run = await loaded.run(shown.map(({ ids, types }) => ({ ids, types, truncated: false })));
    const longest = Math.max(...run.tokens);
    const classes = run.logits!.shape.at(-1)!;
    const idAt = (row: number) => shown[Math.floor(row / longest)]!.ids[row % longest]!;
    /** The row of the loaded model's logits for each that training reads; a language model answers at masks alone. */
    let masks = 0;
    const found = [...rows].map((row) => {
      if (head.name === 'sequence-classification') return row / longest;
      if (head.name === 'token-classification') return row;
      return idAt(row) === mask ? masks++ : undefined;
    });
    expect(found.filter((row) => row !== undefined).length).toBeGreaterThan(3);
    found.forEach((row, number) => {
      if (row === undefined) return;
      for (let label = 0; label < classes; label++) {
        expect(run.logits!.array[row * classes + label]).toBeCloseTo(logits[number * classes + label]!, 5);
      }
    });
    if (labels.length === 1 && head.name === 'sequence-classification') expect(run.scores).toEqual([...logits]);
  });
});
