import type { Backend, HostTensor } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EncodedText, loadModel, planModel, type TextInput, verifySwap } from '../src/index.ts';
import { openTestBackend } from './support/backend.ts';
import { bertForward, distilbertForward, languageModel, robertaForward, tokenClassifier } from './support/float64.ts';
import {
  filesOf,
  LANGUAGE_MODELS,
  SIZES,
  type TinyModel,
  tinyBert,
  tinyDistilbert,
  tinyRoberta,
  withLanguageModel,
  withTokenClassifier,
} from './support/tiny-models.ts';

let backend: Backend;
beforeAll(async () => {
  backend = await openTestBackend();
});
afterAll(() => backend.dispose());

const LABELS = ['negative', 'neutral', 'positive'];
const sizes = { heads: SIZES.heads, layers: SIZES.layers, epsilon: 1e-12 };

interface Family {
  readonly tiny: TinyModel;
  readonly word: string;
  readonly epsilon: number;
  readonly mask: string;
  hiddenOf(tiny: TinyModel, text: EncodedText): number[][];
}

const roberta = (modelType: 'roberta' | 'xlm-roberta'): Family => ({
  tiny: tinyRoberta(modelType),
  word: 'roberta.embeddings.word_embeddings.weight',
  epsilon: 1e-5,
  mask: '<mask>',
  hiddenOf: ({ tensors }, { ids }) => robertaForward(tensors, [...ids], 1, { ...sizes, epsilon: 1e-5 }).hidden,
});

const families: Readonly<Record<string, Family>> = {
  bert: {
    tiny: tinyBert(),
    word: 'bert.embeddings.word_embeddings.weight',
    epsilon: 1e-12,
    mask: '[MASK]',
    hiddenOf: ({ tensors }, { ids, types }) => bertForward(tensors, [...ids], [...types], sizes).hidden,
  },
  roberta: roberta('roberta'),
  'xlm-roberta': roberta('xlm-roberta'),
  distilbert: {
    tiny: tinyDistilbert(),
    word: 'distilbert.embeddings.word_embeddings.weight',
    epsilon: 1e-12,
    mask: '[MASK]',
    hiddenOf: ({ tensors }, { ids }) => distilbertForward(tensors, [...ids], sizes).hidden,
  },
};

const load = (model: TinyModel) => loadModel(filesOf(model), { backend });

const rowOf = ({ array, shape }: HostTensor, row: number) =>
  [...array.subarray(row * shape.at(-1)!, (row + 1) * shape.at(-1)!)].map(Number);

function expectClose(given: readonly number[], expected: readonly number[]): void {
  expect(given).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(given[i]! - value) / (1 + Math.abs(value))).toBeLessThan(2e-5);
  }
}

function softmax(logits: readonly number[]): number[] {
  const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

describe.each(Object.keys(families))('%s', (name) => {
  const family = families[name]!;

  it('labels each token, against an independent float64 forward', async () => {
    const tiny = withTokenClassifier(family.tiny);
    await using model = await load(tiny);
    expect([model.head, model.labels]).toEqual(['token-classification', LABELS]);
    const texts: TextInput[] = ['the film was goodly', ['not a good film', 'bad'], 'a'];
    const encoded = model.encode(texts);
    const result = await model.run(texts);
    const [batch, longest, classes] = result.logits!.shape as [number, number, number];
    expect([batch, longest, classes]).toEqual([3, Math.max(...result.tokens), 3]);
    for (const [number, text] of encoded.entries()) {
      const expected = tokenClassifier(tiny.tensors, family.hiddenOf(tiny, text));
      const labels = result.tokenLabels![number]!;
      for (let token = 0; token < longest; token++) {
        const logits = rowOf(result.logits!, number * longest + token);
        if (token >= expected.length) {
          expect(logits).toEqual([0, 0, 0]);
          continue;
        }
        expectClose(logits, expected[token]!);
        const label = expected[token]!.indexOf(Math.max(...expected[token]!));
        const own = labels.find(({ index }) => index === token);
        const isFrame = /^(\[CLS\]|\[SEP\]|<s>|<\/s>)$/.test(model.tokenizer.token(text.ids[token]!)!);
        expect(own === undefined).toBe(isFrame);
        if (!own) continue;
        expect(own).toMatchObject({ token: model.tokenizer.token(text.ids[token]!), label: LABELS[label] });
        expect(own.score).toBeCloseTo(softmax(expected[token]!)[label]!, 5);
      }
    }
    for (const other of ['labels', 'scores', 'masks']) expect(result).not.toHaveProperty(other);
    const lean = await model.run(texts, { hidden: false });
    expect(lean.logits!.array).toEqual(result.logits!.array);
    expect(lean.tokenLabels).toEqual(result.tokenLabels);
  });

  it('finds what is behind masks, against an independent float64 forward', async () => {
    const tiny = withLanguageModel(family.tiny);
    await using model = await load(tiny);
    expect([model.head, model.labels]).toEqual(['masked-language-model', []]);
    const { mask, word, epsilon } = family;
    const texts: TextInput[] = [
      `the ${mask} was good`,
      'the film',
      [`a ${mask} film, and a ${mask}`, `very ${mask} and not at all bad`],
      mask,
    ];
    const { logits, masks } = await model.run(texts, { top: 3 });
    const names = { ...LANGUAGE_MODELS[name]!, word };
    let row = 0;
    for (const [number, text] of model.encode(texts).entries()) {
      const all = languageModel(tiny.tensors, family.hiddenOf(tiny, text), names, epsilon);
      const places = [...text.ids.keys()].filter((place) => model.tokenizer.token(text.ids[place]!) === mask);
      expect(masks![number]!.map(({ index }) => index)).toEqual(places);
      for (const [which, place] of places.entries()) {
        const expected = all[place]!;
        expectClose(rowOf(logits!, row++), expected);
        const probabilities = softmax(expected);
        const best = [...expected.keys()].sort((a, b) => expected[b]! - expected[a]!).slice(0, 3);
        const { candidates } = masks![number]![which]!;
        expect(candidates.map(({ id, token }) => [id, token])).toEqual(
          best.map((id) => [id, model.tokenizer.token(id)]),
        );
        for (const { id, score } of candidates) expect(score).toBeCloseTo(probabilities[id]!, 5);
      }
    }
    expect(row).toBe(5);
    expect(logits!.shape).toEqual([5, model.architecture.vocabulary]);
    expect(masks!.map(({ length }) => length)).toEqual([1, 0, 3, 1]);
  });
});

describe('a token classifier', () => {
  it('counts words as its tokenizer marks them, and as they were given', async () => {
    await using wordPiece = await load(withTokenClassifier(tinyBert()));
    const of = async (model: typeof wordPiece, text: Parameters<typeof model.run>[0]) =>
      (await model.run(text)).tokenLabels![0]!.map(({ token, word }) => [token, word]);
    expect(await of(wordPiece, ['goodly, the'])).toEqual([
      ...[
        ['good', 0],
        ['##ly', 0],
        [',', 1],
        ['the', 2],
      ],
    ]);
    // The second of a pair begins with a word.
    expect(await of(wordPiece, [['a', 'filming']])).toEqual([
      ...[
        ['a', 0],
        ['film', 1],
        ['##ing', 1],
      ],
    ]);
    expect(await of(wordPiece, [wordPiece.tokenizer.encodeWords(['good,', '', 'filming'])])).toEqual([
      ...[
        ['good', 0],
        [',', 0],
        ['film', 2],
        ['##ing', 2],
      ],
    ]);
    await using byteLevel = await load(withTokenClassifier(tinyRoberta()));
    expect(await of(byteLevel, ['the good, the'])).toEqual([
      ...[
        ['the', 0],
        ['Ġgood', 1],
        [',', 1],
        ['Ġthe', 2],
      ],
    ]);
    expect(await of(byteLevel, [['the', 'the.']])).toEqual([
      ...[
        ['the', 0],
        ['the', 1],
        ['.', 1],
      ],
    ]);
  });

  it('has no label for what stands around texts, and one for what the tokenizer does not know', async () => {
    await using model = await load(withTokenClassifier(tinyBert()));
    const [labels] = (await model.run('é good')).tokenLabels!;
    expect(labels!.map(({ index, token }) => [index, token])).toEqual([
      [1, 'e'],
      [2, 'good'],
    ]);
    const [unknown] = (await model.run('7 good')).tokenLabels!;
    expect(unknown!.map(({ token }) => token)).toEqual(['[UNK]', 'good']);
  });
});

describe('a masked language model', () => {
  it('has no rows where nothing is hidden, and five candidates for each mask', async () => {
    await using model = await load(withLanguageModel(tinyBert()));
    const { logits, masks } = await model.run(['the film', 'a'], { hidden: false });
    expect(logits!.shape).toEqual([0, model.architecture.vocabulary]);
    expect(masks).toEqual([[], []]);
    const [hidden] = (await model.run('a [MASK] film')).masks!;
    expect(hidden!.map(({ candidates }) => candidates.length)).toEqual([5]);
    await expect(model.run('a [MASK]', { top: 0 })).rejects.toThrow(
      '[model-swap] top is 0; expected a whole number ≥ 1',
    );
  });

  it('takes the head of a BertForPreTraining, and refuses an output layer that is not the table of words', async () => {
    const tiny = withLanguageModel(tinyBert());
    tiny.config.architectures = ['BertForPreTraining'];
    await using model = await load(tiny);
    expect(model.head).toBe('masked-language-model');
    tiny.config.tie_word_embeddings = false;
    await expect(load(tiny)).rejects.toThrow('tie_word_embeddings is false; supported: true');
  });
});

describe('a head', () => {
  it.each([
    ['ForTokenClassification', 'classifier.weight', withTokenClassifier],
    ['ForMaskedLM', 'cls.predictions.bias', withLanguageModel],
  ] as const)('that is named %s must be there', async (_, missing, withHead) => {
    const tiny = withHead(tinyBert());
    tiny.tensors.delete(missing);
    await expect(load(tiny)).rejects.toThrow(`tensor '${missing}'`);
  });

  it.each([
    ['token classifier', withTokenClassifier],
    ['masked language model', withLanguageModel],
  ] as const)('is planned and compared with, a %s', async (_, withHead) => {
    const tiny = withHead(tinyBert());
    await using model = await load(tiny);
    const before = backend.memory().usedBytes;
    backend.resetPeak();
    const plan = await planModel(filesOf(tiny), { tokens: 8, backend });
    expect(plan.weightBytes).toBeGreaterThan(0);
    await model.run('a good [MASK] film, a film');
    expect(backend.memory().usedBytes).toBe(before);
    const { logits } = await verifySwap(model, ['a good [MASK] film', 'the film']);
    expect(logits).toEqual({ maxAbsolute: 0, relative: 0, agreement: 1 });
  });

  it('of one label gives the score as it is', async () => {
    await using model = await load(tinyBert(5, SIZES, { 0: 'score' }));
    const { logits, scores, labels } = await model.run(['a good film', 'a bad film']);
    expect(labels).toBeUndefined();
    expect(scores).toEqual([...logits!.array]);
    expect(scores).toHaveLength(2);
  });
});
